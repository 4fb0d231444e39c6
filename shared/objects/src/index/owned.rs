//! The index as the collector of garbage reads it.

use std::ops::Bound;

use uuid::Uuid;

use super::Index;
use super::entry::{Entry, Link, Owner};
use super::kind::KindId;
use super::order::Place;
use super::slab::Id;
use crate::Key;
use crate::head::OwnerHead;

/// Some of the objects that were asked for, and where the others begin.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Part {
    pub(crate) keys: Vec<Key>,
    /// There may be more after this one.
    pub(crate) next: Option<Key>,
}

impl Index {
    /// The objects that name the owner with this key and UID as one of theirs, or name its UID in a way that leads to
    /// nothing.
    pub(crate) fn dependents(&self, owner: &Key, uid: Uuid) -> Vec<Link> {
        let mut found: Vec<Id> = self.dependent_ids(owner, uid).collect();
        found.sort_unstable_by(|&one, &other| self.position(one).cmp(&self.position(other)));
        // One may name an owner twice.
        found.dedup();
        found.into_iter().filter_map(|id| self.link_of(id, uid)).collect()
    }

    /// Whether there are any.
    pub(crate) fn has_dependents(&self, owner: &Key, uid: Uuid) -> bool {
        self.dependent_ids(owner, uid).next().is_some()
    }

    /// The owners of an object.
    pub(crate) fn owners(&self, key: &Key) -> Vec<OwnerHead> {
        let owners = self.lookup(key).into_iter().flat_map(|id| self.owners_of(id));
        owners.map(|owner| Owner::head(&owner)).collect()
    }

    /// What collecting garbage must look at: objects with owners, and those being deleted. Looks at `limit` objects
    /// after one.
    pub(crate) fn suspects(&self, after: Option<&Key>, limit: usize) -> Part {
        let suspicious = |entry: &Entry| entry.owner.is_some() || entry.deleting;
        self.part(None, after, limit, suspicious)
    }

    /// At most `limit` objects of a namespace after one.
    pub(crate) fn content(&self, namespace: &str, after: Option<&Key>, limit: usize) -> Part {
        self.part(Some(namespace), after, limit, |_| true)
    }

    /// Whether a namespace holds nothing.
    pub(crate) fn is_empty(&self, namespace: &str) -> bool {
        !self.kinds.values().any(|all| all.contains_key(namespace))
    }

    fn part(
        &self,
        namespace: Option<&str>,
        after: Option<&Key>,
        limit: usize,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Part {
        let mut part = Part::default();
        let (mut looked, mut last) = (0, None);
        for id in self.walk(namespace, after).take(limit) {
            if wanted(&self.entries[id]) {
                part.keys.extend(self.key(id));
            }
            looked += 1;
            last = Some(id);
        }
        part.next = last.filter(|_| looked == limit).and_then(|id| self.key(id));
        part
    }

    /// The objects after one by kind, namespace and name; of one namespace or of all.
    fn walk<'a>(&'a self, namespace: Option<&'a str>, after: Option<&'a Key>) -> impl Iterator<Item = Id> + 'a {
        let start = after.and_then(|key| KindId::of(&key.group, &key.resource));
        let from = start.map_or(Bound::Unbounded, Bound::Included);
        let kinds = self.kinds.range((from, Bound::Unbounded));
        let orders = kinds.flat_map(move |(&kind, namespaces)| {
            let after = after.filter(|_| Some(kind) == start);
            let first = namespace
                .or_else(|| after.map(|key| &*key.namespace))
                .unwrap_or_default();
            let all = namespaces.range::<str, _>((Bound::Included(first), Bound::Unbounded));
            all.take_while(move |(known, _)| namespace.is_none_or(|wanted| *wanted == ***known))
                .map(move |(known, order)| (order, after.filter(|key| *key.namespace == **known)))
        });
        orders.flat_map(|(order, after)| {
            let from = after.map_or_else(Place::default, |key| order.after(&self.entries, &key.name));
            order.ids_from(from)
        })
    }

    fn dependent_ids(&self, owner: &Key, uid: Uuid) -> impl Iterator<Item = Id> {
        let live = self.lookup(owner).filter(|&id| self.entries[id].uid == uid);
        let owners = live.into_iter().chain(self.absent_with(uid));
        owners
            .flat_map(|owner| self.children(owner))
            .chain(self.others.dependents(uid))
    }

    fn link_of(&self, id: Id, owner: Uuid) -> Option<Link> {
        Some(Link {
            key: self.key(id)?,
            blocks: self.owners_of(id).any(|known| known.uid == owner && known.blocks),
            deleting: self.entries[id].deleting,
        })
    }

    /// `None` for a placeholder of a kind that is not served here.
    fn key(&self, id: Id) -> Option<Key> {
        let (kind, namespace, name) = self.position(id);
        Some(kind?.key(namespace, name))
    }

    fn position(&self, id: Id) -> (Option<KindId>, &str, &str) {
        let entry = &self.entries[id];
        (entry.kind, self.namespaces.get(entry.namespace), &entry.name)
    }
}
