//! The ring of changes, as a watch reads it.

use std::sync::Arc;

use uuid::Uuid;

use super::entry::State;
use super::symbols::Symbols;
use super::{Index, KindId, key, kind_id};
use crate::head::OwnerHead;
use crate::{Key, Scope};

/// One change of one object.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) sequence: u64,
    pub(super) kind: KindId,
    pub(super) namespace: Arc<str>,
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
    pub(super) fn release(self, symbols: &mut Symbols) {
        for state in [self.before, self.after].into_iter().flatten() {
            symbols.release(&state.labels);
        }
    }

    fn replaced(&self) -> bool {
        matches!((&self.before, &self.after), (Some(before), Some(after)) if before.uid != after.uid)
    }
}

impl Index {
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
        let kind = kind_id(&scope.group, &scope.resource);
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
                key: key(change.kind, &change.namespace, &change.name),
                deleted: gone.map(|state| state.uid),
                owners: gone
                    .map(|state| state.owners.iter().map(super::Owner::head).collect())
                    .unwrap_or_default(),
            }
        });
        Some((past.collect(), self.applied.max(cursor)))
    }

    fn changes_after(&self, cursor: u64) -> impl Iterator<Item = &Change> {
        let start = self.ring.partition_point(|change| change.sequence <= cursor);
        self.ring.range(start..)
    }

    fn push_steps(&self, scope: &Scope, change: &Change, steps: &mut Vec<Step>) {
        let matches = |state: &State| {
            scope.matches(&change.namespace, &change.name, |label| {
                self.symbols.get(&state.labels, label)
            })
        };
        let before = change.before.as_ref().filter(|state| matches(state));
        let after = change.after.as_ref().filter(|state| matches(state));
        let mut push = |kind, state: &State, version, body| {
            steps.push(Step {
                kind,
                key: key(change.kind, &change.namespace, &change.name),
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
