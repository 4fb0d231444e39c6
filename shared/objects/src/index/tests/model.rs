//! What the index should know, kept as plainly as can be.

use std::collections::{BTreeMap, BTreeSet};

use tidemill_resources::Kind;
use uuid::Uuid;

use super::super::{Past, Row, Step, StepKind};
use crate::head::{Head, OwnerHead};
use crate::{Key, Scope};

/// An object's sequence and head.
type State = (u64, Head);

struct Change {
    sequence: u64,
    key: Key,
    before: Option<State>,
    after: Option<State>,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) objects: BTreeMap<Key, State>,
    changes: Vec<Change>,
    pub(super) applied: u64,
    pub(super) floor: u64,
}

impl Model {
    pub(super) fn apply(&mut self, key: &Key, sequence: u64, head: &Head, ring: usize) {
        self.applied = sequence;
        if key.kind().is_none() {
            return;
        }
        let before = self.objects.remove(key);
        let after = head.deleted.is_none().then(|| (sequence, head.clone()));
        if let Some(state) = &after {
            self.objects.insert(key.clone(), state.clone());
        }
        if before.is_some() || after.is_some() {
            self.changes.push(Change {
                sequence,
                key: key.clone(),
                before,
                after,
            });
        }
        if self.changes.len() > ring {
            self.floor = self.changes.remove(0).sequence;
        }
    }

    /// Key, whether the owner waits for it, whether it is being deleted.
    pub(super) fn dependents(&self, owner: Uuid) -> BTreeSet<(Key, bool, bool)> {
        let all = self.objects.iter().filter_map(|(key, (_, head))| {
            let named: Vec<&OwnerHead> = head.owners.iter().filter(|named| named.uid == owner).collect();
            let blocks = named.iter().any(|named| named.blocks);
            (!named.is_empty()).then(|| (key.clone(), blocks, head.deleting))
        });
        all.collect()
    }

    /// Owners as the index tells them: without their kind where it is not served.
    pub(super) fn owners(head: &Head) -> Vec<OwnerHead> {
        let owners = head.owners.iter().map(|owner| {
            let mut owner = owner.clone();
            if Kind::by_resource(&owner.group, &owner.resource).is_none() {
                owner.group.clear();
                owner.resource.clear();
            }
            owner
        });
        owners.collect()
    }

    pub(super) fn suspects(&self) -> BTreeSet<Key> {
        let all = self.objects.iter();
        all.filter(|(_, (_, head))| head.deleting || !head.owners.is_empty())
            .map(|(key, _)| key.clone())
            .collect()
    }

    pub(super) fn content(&self, namespace: &str) -> BTreeSet<Key> {
        let all = self.objects.keys();
        all.filter(|key| key.namespace == namespace).cloned().collect()
    }

    pub(super) fn rows(&self, scope: &Scope) -> Vec<Row> {
        let selected = self.objects.iter().filter(|(key, state)| matches(scope, key, state));
        let rows = selected.map(|(key, (sequence, head))| Row {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            sequence: *sequence,
            uid: head.uid,
        });
        rows.collect()
    }

    pub(super) fn past(&self, cursor: u64) -> Vec<Past> {
        let past = self.changes_after(cursor).map(|change| {
            let gone = change.before.as_ref().filter(|_| !change.keeps_uid());
            Past {
                key: change.key.clone(),
                deleted: gone.map(|(_, head)| head.uid),
                owners: gone.map(|(_, head)| Self::owners(head)).unwrap_or_default(),
            }
        });
        past.collect()
    }

    pub(super) fn steps(&self, scope: &Scope, cursor: u64) -> Vec<Step> {
        self.changes_after(cursor)
            .flat_map(|change| change.steps(scope))
            .collect()
    }

    fn changes_after(&self, cursor: u64) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(move |change| change.sequence > cursor)
    }
}

impl Change {
    fn keeps_uid(&self) -> bool {
        let uid = |state: &Option<State>| state.as_ref().map(|(_, head)| head.uid);
        uid(&self.before) == uid(&self.after)
    }

    fn steps(&self, scope: &Scope) -> Vec<Step> {
        let matching = |state: &Option<State>| state.clone().filter(|state| matches(scope, &self.key, state));
        let step = |kind, uid, version, body| Step {
            kind,
            key: self.key.clone(),
            uid,
            version,
            body,
            before: self.before.as_ref().map(|(sequence, _)| *sequence),
        };
        let (now, gone) = (self.sequence, self.after.is_none());
        match (matching(&self.before), matching(&self.after)) {
            (Some((old, head)), new) if !gone && !self.keeps_uid() => {
                let deleted = step(StepKind::Deleted, head.uid, now - 1, old);
                let added = new.map(|(_, head)| step(StepKind::Added, head.uid, now, now));
                [deleted].into_iter().chain(added).collect()
            }
            (None, Some((_, head))) => vec![step(StepKind::Added, head.uid, now, now)],
            (Some(_), Some((_, head))) => vec![step(StepKind::Modified, head.uid, now, now)],
            (Some((_, head)), None) if gone => vec![step(StepKind::Deleted, head.uid, now, now)],
            (Some((old, head)), None) => vec![step(StepKind::Left, head.uid, now, old)],
            (None, None) => Vec::new(),
        }
    }
}

fn matches(scope: &Scope, key: &Key, (_, head): &State) -> bool {
    (&key.group, &key.resource) == (&scope.group, &scope.resource)
        && scope.matches(&key.namespace, &key.name, |label| {
            head.labels.get(label).map(String::as_str)
        })
}
