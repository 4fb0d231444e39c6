//! What is known about every object without its body: key, sequence, UID, labels, owners,
//! generation, deletion; and the last changes.
//!
//! Compact, since it holds every stored run: about 200 bytes for one with a task. An object is an entry of a slab, owners
//! and dependents are links between entries, the order by name has no names of its own, and labels that runs of a
//! pipeline have in common are one set.

mod changes;
mod entry;
mod family;
mod kind;
mod labels;
mod order;
mod others;
mod owned;
mod page;
mod pool;
mod slab;
mod state;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

pub(crate) use changes::{Past, Step, StepKind};
pub use entry::Known;
pub(crate) use page::Row;

use crate::Key;
use crate::head::Head;
use changes::Change;
use entry::Entry;
use family::Identity;
use kind::KindId;
use labels::{Bearer, Labels};
use order::{Order, Place};
use others::Others;
use pool::Pool;
use slab::{Id, Slab};

/// The index and the ring of changes.
#[derive(Debug, Default)]
pub(crate) struct Index {
    entries: Slab<Entry>,
    namespaces: Pool<str>,
    labels: Labels,
    kinds: BTreeMap<KindId, BTreeMap<Arc<str>, Order>>,
    /// The entries that are placeholders.
    absent: BTreeSet<(Uuid, Id)>,
    others: Others,
    tombstones: BTreeMap<u64, Tombstone>,
    ring: VecDeque<Change>,
    ring_limit: usize,
    /// All changes after this sequence are in the ring.
    floor: u64,
    applied: u64,
    /// The last change of each kind.
    changed: BTreeMap<KindId, u64>,
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

    /// Keeps the changes from now on, at most `limit`; of an index that kept none: what came before was no change but the
    /// state that was found.
    pub(crate) fn start_ring(&mut self, limit: usize) {
        self.ring_limit = limit;
        self.floor = self.applied;
    }

    /// Takes in one stored message.
    pub(crate) fn apply(&mut self, key: &Key, subject: &str, sequence: u64, head: Head) {
        self.raise(sequence);
        let Some(kind) = KindId::of(&key.group, &key.resource) else {
            return;
        };
        self.changed.insert(kind, sequence);
        let found = self.find(kind, &key.namespace, &key.name);
        let keeps = self.ring_limit > 0;
        let before = found.filter(|_| keeps).map(|id| self.state(id, None));
        let after = if let Some(at) = head.deleted {
            let subject = subject.to_owned();
            self.tombstones.insert(sequence, Tombstone { subject, at });
            if let Some(id) = found {
                self.remove(id, kind, key);
            }
            None
        } else {
            let id = self.put(found, kind, key, sequence, &head);
            keeps.then(|| self.state(id, before.as_ref()))
        };
        if before.is_some() || after.is_some() {
            let (namespace, _) = self.namespaces.take(&key.namespace);
            self.record(Change {
                sequence,
                kind,
                namespace,
                name: key.name.as_str().into(),
                before,
                after,
            });
        } else if !keeps {
            // It is forgotten as it comes.
            self.floor = sequence;
        }
    }

    /// What is known about one object.
    pub(crate) fn get(&self, key: &Key) -> Option<Known> {
        self.lookup(key).map(|id| self.entries[id].known())
    }

    /// The names of the objects of a kind in a namespace, in order.
    pub(crate) fn names(&self, group: &str, resource: &str, namespace: &str) -> Vec<String> {
        let order = KindId::of(group, resource).and_then(|kind| self.kinds.get(&kind)?.get(namespace));
        let ids = order.into_iter().flat_map(|order| order.ids_from(Place::default()));
        ids.map(|id| self.entries[id].name.to_string()).collect()
    }

    /// The sequence of the last change of a kind; 0 when none was seen.
    pub(crate) fn last_change(&self, group: &str, resource: &str) -> u64 {
        let changed = KindId::of(group, resource).and_then(|kind| self.changed.get(&kind));
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
        self.kinds.values().flat_map(BTreeMap::values).map(Order::len).sum()
    }

    fn lookup(&self, key: &Key) -> Option<Id> {
        self.find(KindId::of(&key.group, &key.resource)?, &key.namespace, &key.name)
    }

    fn find(&self, kind: KindId, namespace: &str, name: &str) -> Option<Id> {
        let order = self.kinds.get(&kind)?.get(namespace)?;
        order.find(&self.entries, name)
    }

    /// Sets what is known about an object; `found` is what has its key now.
    fn put(&mut self, found: Option<Id>, kind: KindId, key: &Key, sequence: u64, head: &Head) -> Id {
        let id = match found {
            Some(id) if self.entries[id].uid == head.uid => id,
            found => {
                if let Some(other) = found {
                    self.remove(other, kind, key);
                }
                self.add(kind, key, head.uid)
            }
        };
        self.entries[id].set(sequence, head);
        self.set_owners(id, &key.namespace, &head.owners);
        let owner = head.owners.first().map(|owner| (&*owner.name, owner.uid));
        let bearer = Bearer { name: &key.name, owner };
        let labels = self.labels.take(&head.labels, bearer);
        let before = std::mem::replace(&mut self.entries[id].labels, labels);
        self.labels.release(before);
        id
    }

    fn add(&mut self, kind: KindId, key: &Key, uid: Uuid) -> Id {
        let id = self.admit(Identity {
            kind: Some(kind),
            namespace: &key.namespace,
            name: &key.name,
            uid,
        });
        let namespace = self.namespaces.get(self.entries[id].namespace).clone();
        let order = self.kinds.entry(kind).or_default().entry(namespace).or_default();
        order.insert(&self.entries, id);
        id
    }

    fn remove(&mut self, id: Id, kind: KindId, key: &Key) {
        if let Some(namespaces) = self.kinds.get_mut(&kind)
            && let Some(order) = namespaces.get_mut(&*key.namespace)
        {
            order.remove(&self.entries, &key.name);
            if order.is_empty() {
                namespaces.remove(&*key.namespace);
            }
        }
        self.set_owners(id, &key.namespace, &[]);
        self.labels.release(self.entries[id].labels.take());
        self.entries[id].clear();
        self.retire(id);
    }
}

#[cfg(test)]
mod tests;
