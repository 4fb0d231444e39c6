//! Objects as they were, for the ring of changes.

use std::sync::Arc;

use uuid::Uuid;

use super::Index;
use super::entry::Owner;
use super::labels::{Bearer, LabelSet};
use super::slab::Id;

/// An object as it was at one sequence.
#[derive(Debug)]
pub(super) struct State {
    pub(super) sequence: u64,
    pub(super) uid: Uuid,
    pub(super) labels: Option<LabelSet>,
    /// As they were named: their entries may be gone when the state is read.
    pub(super) owners: Arc<[Owner]>,
}

impl State {
    pub(super) fn bearer<'a>(&'a self, name: &'a str) -> Bearer<'a> {
        let owner = self.owners.first().map(|owner| (&*owner.name, owner.uid));
        Bearer { name, owner }
    }
}

impl Index {
    /// An object as it is; its owners are kept once where they are those of the state before.
    pub(super) fn state(&mut self, id: Id, before: Option<&State>) -> State {
        let before = before.map(|state| &state.owners);
        let same = before.filter(|owners| self.owners_of(id).eq(owners.iter().cloned()));
        let owners = same.cloned().unwrap_or_else(|| self.owners_of(id).collect());
        let entry = &self.entries[id];
        State {
            sequence: entry.sequence,
            uid: entry.uid,
            labels: self.labels.share(entry.labels),
            owners,
        }
    }

    /// The owners of an object, as it names them.
    pub(super) fn owners_of(&self, id: Id) -> impl Iterator<Item = Owner> {
        let entry = &self.entries[id];
        let first = entry.owner.map(|owner| {
            let owner = &self.entries[owner];
            Owner {
                uid: owner.uid,
                name: owner.name.clone(),
                kind: owner.kind,
                blocks: entry.blocks,
            }
        });
        first.into_iter().chain(self.others.of(id).iter().cloned())
    }

    /// What an object's labels may repeat.
    pub(super) fn bearer(&self, id: Id) -> Bearer<'_> {
        let entry = &self.entries[id];
        let owner = entry.owner.map(|owner| {
            let owner = &self.entries[owner];
            (&*owner.name, owner.uid)
        });
        Bearer {
            name: &entry.name,
            owner,
        }
    }
}
