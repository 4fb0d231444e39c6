//! The ring of changes, as a watch reads it.

use uuid::Uuid;

use super::Index;
use super::entry::Owner;
use super::kind::KindId;
use super::slab::Id;
use super::state::State;
use crate::head::OwnerHead;
use crate::{Key, Scope};

/// Changes for which there is room at first.
const RING_START: usize = 64;

/// One change of one object.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) sequence: u64,
    pub(super) kind: KindId,
    /// In the pool of namespaces.
    pub(super) namespace: Id,
    pub(super) name: Box<str>,
    pub(super) before: Option<State>,
    pub(super) after: Option<State>,
}

/// What a change is to a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepKind {
    Added,
    Modified,
    Deleted,
    /// It does not match any more.
    Left,
}

/// One change as a watch with a scope sees it; the body is still to be read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) kind: StepKind,
    pub(crate) key: Key,
    pub(crate) uid: Uuid,
    /// The version the watch has reached with it.
    pub(crate) version: u64,
    /// The message with the body.
    pub(crate) body: u64,
    /// The message with the body before, which may be gone.
    pub(crate) before: Option<u64>,
}

/// An object that passed away, as the collector of garbage needs it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Past {
    pub(crate) key: Key,
    /// UID of the object that was deleted, if one was.
    pub(crate) deleted: Option<Uuid>,
    /// Its owners.
    pub(crate) owners: Vec<OwnerHead>,
}

impl Change {
    fn replaced(&self) -> bool {
        matches!((&self.before, &self.after), (Some(before), Some(after)) if before.uid != after.uid)
    }
}

impl Index {
    /// Adds a change to the ring; the oldest one goes when it is full.
    pub(super) fn record(&mut self, change: Change) {
        let len = self.ring.len();
        if len == self.ring.capacity() {
            // Not more than the limit: all room of a ring is written in the end.
            let more = len.max(RING_START).min(self.ring_limit.saturating_sub(len) + 1);
            self.ring.reserve_exact(more);
        }
        self.ring.push_back(change);
        while self.ring.len() > self.ring_limit {
            if let Some(change) = self.ring.pop_front() {
                self.floor = change.sequence;
                self.release(change);
            }
        }
    }

    fn release(&mut self, change: Change) {
        self.namespaces.release(change.namespace);
        for state in [change.before, change.after].into_iter().flatten() {
            self.labels.release(state.labels);
        }
    }

    /// Whether a watch may start after `version`.
    pub(crate) fn remembers(&self, version: u64) -> bool {
        version >= self.floor
    }

    /// The oldest version a watch may start from.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    /// At most about `limit` steps after `cursor`, and the sequence up to which they tell all.
    /// `None`: the ring begins later.
    pub(crate) fn steps(&self, scope: &Scope, cursor: u64, limit: usize) -> Option<(Vec<Step>, u64)> {
        if !self.remembers(cursor) {
            return None;
        }
        let kind = KindId::of(&scope.group, &scope.resource);
        let mut steps = Vec::new();
        for change in self.changes_after(cursor) {
            if Some(change.kind) == kind {
                self.push_steps(scope, change, &mut steps);
            }
            if steps.len() >= limit {
                return Some((steps, change.sequence));
            }
        }
        Some((steps, self.applied.max(cursor)))
    }

    /// Every change after `cursor`, and the sequence they reach; `None`: the ring begins later.
    pub(crate) fn past(&self, cursor: u64) -> Option<(Vec<Past>, u64)> {
        if !self.remembers(cursor) {
            return None;
        }
        let past = self.changes_after(cursor).map(|change| {
            let gone = change
                .before
                .as_ref()
                .filter(|_| change.after.is_none() || change.replaced());
            Past {
                key: self.key_of(change),
                deleted: gone.map(|state| state.uid),
                owners: gone
                    .map(|state| state.owners.iter().map(Owner::head).collect())
                    .unwrap_or_default(),
            }
        });
        Some((past.collect(), self.applied.max(cursor)))
    }

    fn key_of(&self, change: &Change) -> Key {
        change.kind.key(self.namespaces.get(change.namespace), &change.name)
    }

    fn changes_after(&self, cursor: u64) -> impl Iterator<Item = &Change> {
        let start = self.ring.partition_point(|change| change.sequence <= cursor);
        self.ring.range(start..)
    }

    fn push_steps(&self, scope: &Scope, change: &Change, steps: &mut Vec<Step>) {
        let namespace = self.namespaces.get(change.namespace);
        let matches = |state: &State| {
            let bearer = state.bearer(&change.name);
            scope.matches(namespace, &change.name, |label| {
                self.labels.get(state.labels, bearer, label)
            })
        };
        let before = change.before.as_ref().filter(|state| matches(state));
        let after = change.after.as_ref().filter(|state| matches(state));
        let mut push = |kind, state: &State, version, body| {
            steps.push(Step {
                kind,
                key: self.key_of(change),
                uid: state.uid,
                version,
                body,
                before: change.before.as_ref().map(|state| state.sequence),
            });
        };
        let sequence = change.sequence;
        match (before, after) {
            // The name is another object's now. The first of the two events has a version of its
            // own, so that a watch that is cut between them gets both when it resumes.
            (Some(old), after) if change.replaced() => {
                push(StepKind::Deleted, old, sequence - 1, old.sequence);
                if let Some(new) = after {
                    push(StepKind::Added, new, sequence, sequence);
                }
            }
            (None, Some(new)) => push(StepKind::Added, new, sequence, sequence),
            (Some(_), Some(new)) => push(StepKind::Modified, new, sequence, sequence),
            (Some(old), None) if change.after.is_none() => push(StepKind::Deleted, old, sequence, sequence),
            (Some(old), None) => push(StepKind::Left, old, sequence, old.sequence),
            (None, None) => {}
        }
    }
}
