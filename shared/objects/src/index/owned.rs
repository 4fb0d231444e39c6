//! The index as the collector of garbage reads it.

use uuid::Uuid;

use super::entry::{Entry, Link};
use super::{Index, key, kind_id};
use crate::Key;
use crate::head::OwnerHead;

impl Index {
    /// The objects that name `owner` as one of their owners.
    pub(crate) fn dependents(&self, owner: Uuid) -> Vec<Link> {
        let found = self.dependents.get(&owner).into_iter().flatten();
        found
            .filter_map(|dependent| {
                let names = self.kinds.get(&dependent.kind)?.get(&dependent.namespace)?;
                let entry = names.get(&dependent.name)?;
                let key = key(dependent.kind, &dependent.namespace, &dependent.name);
                Some(entry.link(key, owner))
            })
            .collect()
    }

    /// The owners of an object.
    pub(crate) fn owners(&self, key: &Key) -> Vec<OwnerHead> {
        let entry = kind_id(&key.group, &key.resource).and_then(|kind| {
            self.kinds
                .get(&kind)?
                .get(key.namespace.as_str())?
                .get(key.name.as_str())
        });
        entry.map(Entry::owner_heads).unwrap_or_default()
    }

    /// Every object that collecting garbage must look at: those with owners, and those being deleted.
    pub(crate) fn suspects(&self) -> Vec<Key> {
        let all = self.kinds.iter().flat_map(|(&kind, namespaces)| {
            namespaces
                .iter()
                .flat_map(move |(namespace, names)| names.iter().map(move |item| (kind, namespace, item)))
        });
        all.filter(|(.., (_, entry))| entry.has_owners() || entry.known().deleting)
            .map(|(kind, namespace, (name, _))| key(kind, namespace, name))
            .collect()
    }

    /// Every object in a namespace.
    pub(crate) fn content(&self, namespace: &str) -> Vec<Key> {
        let all = self.kinds.iter().filter_map(|(&kind, namespaces)| {
            let (namespace, names) = namespaces.get_key_value(namespace)?;
            Some(names.keys().map(move |name| key(kind, namespace, name)))
        });
        all.flatten().collect()
    }

    /// Whether a namespace holds nothing.
    pub(crate) fn is_empty(&self, namespace: &str) -> bool {
        !self.kinds.values().any(|all| all.contains_key(namespace))
    }
}
