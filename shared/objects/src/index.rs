//! What is known about every object without its body: key, sequence, UID, labels, owners,
//! generation, deletion; and the last changes.
//!
//! Compact, since it holds every stored run: names once, labels as interned symbols.

mod changes;
mod entry;
mod owned;
mod page;
mod symbols;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use tidemill_resources::Kind;
use uuid::Uuid;

pub(crate) use changes::{Past, Step, StepKind};
pub use entry::Known;
pub(crate) use page::Row;

use crate::Key;
use crate::head::Head;
use changes::Change;
use entry::{Entry, Owner, State};
use symbols::Symbols;

/// Position of a kind in [`Kind::all`].
type KindId = u16;
type Names = BTreeMap<Box<str>, Entry>;

/// The index and the ring of changes.
#[derive(Debug, Default)]
pub(crate) struct Index {
    symbols: Symbols,
    kinds: BTreeMap<KindId, BTreeMap<Arc<str>, Names>>,
    dependents: HashMap<Uuid, Vec<Dependent>>,
    tombstones: BTreeMap<u64, Tombstone>,
    ring: VecDeque<Change>,
    ring_limit: usize,
    /// All changes after this sequence are in the ring.
    floor: u64,
    applied: u64,
    /// The last change of each kind.
    changed: BTreeMap<KindId, u64>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Dependent {
    kind: KindId,
    namespace: Arc<str>,
    name: Box<str>,
}

#[derive(Debug)]
struct Tombstone {
    subject: String,
    at: Timestamp,
}

impl Index {
    pub(crate) fn new(ring_limit: usize) -> Self {
        Self {
            ring_limit,
            ..Self::default()
        }
    }

    /// Every message up to this sequence is in the index.
    pub(crate) fn applied(&self) -> u64 {
        self.applied
    }

    /// Nothing up to `sequence` is missing, though no message with it may have come.
    pub(crate) fn raise(&mut self, sequence: u64) {
        self.applied = self.applied.max(sequence);
    }

    /// Forgets the changes: they were no changes but the state that was found.
    pub(crate) fn start_ring(&mut self) {
        while let Some(change) = self.ring.pop_front() {
            change.release(&mut self.symbols);
        }
        self.floor = self.applied;
    }

    /// Takes in one stored message.
    pub(crate) fn apply(&mut self, key: &Key, subject: &str, sequence: u64, head: Head) {
        self.raise(sequence);
        let Some(kind) = kind_id(&key.group, &key.resource) else {
            return;
        };
        self.changed.insert(kind, sequence);
        let namespace = self.namespace(kind, &key.namespace);
        let before = self.remove(kind, &namespace, &key.name);
        let after = if let Some(at) = head.deleted {
            let subject = subject.to_owned();
            self.tombstones.insert(sequence, Tombstone { subject, at });
            None
        } else {
            Some(self.insert(kind, &namespace, &key.name, sequence, &head))
        };
        if before.is_some() || after.is_some() {
            self.ring.push_back(Change {
                sequence,
                kind,
                namespace,
                name: key.name.as_str().into(),
                before,
                after,
            });
        }
        while self.ring.len() > self.ring_limit {
            if let Some(change) = self.ring.pop_front() {
                self.floor = change.sequence;
                change.release(&mut self.symbols);
            }
        }
    }

    /// What is known about one object.
    pub(crate) fn get(&self, key: &Key) -> Option<Known> {
        let kind = kind_id(&key.group, &key.resource)?;
        let entry = self
            .kinds
            .get(&kind)?
            .get(key.namespace.as_str())?
            .get(key.name.as_str())?;
        Some(entry.known())
    }

    /// The names of the objects of a kind in a namespace, in order.
    pub(crate) fn names(&self, group: &str, resource: &str, namespace: &str) -> Vec<String> {
        let names = kind_id(group, resource)
            .and_then(|kind| self.kinds.get(&kind)?.get(namespace))
            .map(|names| names.keys().map(ToString::to_string).collect());
        names.unwrap_or_default()
    }

    /// The sequence of the last change of a kind; 0 when none was seen.
    pub(crate) fn last_change(&self, group: &str, resource: &str) -> u64 {
        let changed = kind_id(group, resource).and_then(|kind| self.changed.get(&kind));
        changed.copied().unwrap_or_default()
    }

    /// Subjects and sequences of the tombstones older than `before`.
    pub(crate) fn old_tombstones(&self, before: Timestamp) -> Vec<(String, u64)> {
        let old = self.tombstones.iter().filter(|(_, tombstone)| tombstone.at < before);
        old.map(|(&sequence, tombstone)| (tombstone.subject.clone(), sequence))
            .collect()
    }

    /// A tombstone was swept.
    pub(crate) fn forget_tombstone(&mut self, sequence: u64) {
        self.tombstones.remove(&sequence);
    }

    /// How many objects there are.
    pub(crate) fn len(&self) -> usize {
        self.kinds.values().flat_map(BTreeMap::values).map(BTreeMap::len).sum()
    }

    fn namespace(&mut self, kind: KindId, namespace: &str) -> Arc<str> {
        if let Some((known, _)) = self.kinds.get(&kind).and_then(|all| all.get_key_value(namespace)) {
            return known.clone();
        }
        // One text for all kinds of the namespace.
        let known = self.kinds.values().find_map(|all| all.get_key_value(namespace));
        known.map_or_else(|| namespace.into(), |(known, _)| known.clone())
    }

    fn insert(&mut self, kind: KindId, namespace: &Arc<str>, name: &str, sequence: u64, head: &Head) -> State {
        let entry = Entry::new(sequence, head, self.symbols.labels(&head.labels));
        for owner in entry.owners() {
            let dependents = self.dependents.entry(owner.uid).or_default();
            let dependent = Dependent {
                kind,
                namespace: namespace.clone(),
                name: name.into(),
            };
            if let Err(place) = dependents.binary_search(&dependent) {
                dependents.insert(place, dependent);
            }
        }
        let state = State {
            sequence,
            uid: head.uid,
            labels: self.symbols.share(entry.labels()),
            owners: Box::default(),
        };
        let names = self
            .kinds
            .entry(kind)
            .or_default()
            .entry(namespace.clone())
            .or_default();
        names.insert(name.into(), entry);
        state
    }

    fn remove(&mut self, kind: KindId, namespace: &Arc<str>, name: &str) -> Option<State> {
        let namespaces = self.kinds.get_mut(&kind)?;
        let names = namespaces.get_mut(namespace)?;
        let entry = names.remove(name)?;
        if names.is_empty() {
            namespaces.remove(namespace);
        }
        for owner in entry.owners() {
            self.unlink(owner, kind, namespace, name);
        }
        Some(entry.into_state())
    }

    fn unlink(&mut self, owner: &Owner, kind: KindId, namespace: &Arc<str>, name: &str) {
        let Some(dependents) = self.dependents.get_mut(&owner.uid) else {
            return;
        };
        let known = dependents
            .binary_search_by(|known| (known.kind, &*known.namespace, &*known.name).cmp(&(kind, &**namespace, name)));
        if let Ok(place) = known {
            dependents.remove(place);
        }
        if dependents.is_empty() {
            self.dependents.remove(&owner.uid);
        }
    }
}

fn kind_id(group: &str, resource: &str) -> Option<KindId> {
    let position = Kind::all()
        .iter()
        .position(|kind| kind.group == group && kind.plural == resource)?;
    KindId::try_from(position).ok()
}

fn key(kind: KindId, namespace: &str, name: &str) -> Key {
    Key::new(&Kind::all()[usize::from(kind)], namespace, name)
}

#[cfg(test)]
mod tests;
