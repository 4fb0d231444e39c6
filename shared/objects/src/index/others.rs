//! Objects with several owners: their owners but the first.
//!
//! There are few. The first owner of each object is an entry of the index.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::entry::Owner;
use super::slab::Id;
use crate::head::OwnerHead;

/// The second and further owners, by dependent and by UID of the owner.
#[derive(Debug, Default)]
pub(super) struct Others {
    owners: BTreeMap<Id, Box<[Owner]>>,
    dependents: BTreeSet<(Uuid, Id)>,
}

impl Others {
    /// The owners of an object but its first.
    pub(super) fn of(&self, dependent: Id) -> &[Owner] {
        self.owners.get(&dependent).map(|owners| &**owners).unwrap_or_default()
    }

    /// The objects that name the owner, but not as their first.
    pub(super) fn dependents(&self, owner: Uuid) -> impl Iterator<Item = Id> {
        with_uid(&self.dependents, owner)
    }

    pub(super) fn set(&mut self, dependent: Id, owners: &[OwnerHead]) {
        let before = self.owners.remove(&dependent);
        for owner in before.iter().flatten() {
            self.dependents.remove(&(owner.uid, dependent));
        }
        if owners.is_empty() {
            return;
        }
        let owners: Box<[Owner]> = owners.iter().map(Owner::new).collect();
        self.dependents
            .extend(owners.iter().map(|owner| (owner.uid, dependent)));
        self.owners.insert(dependent, owners);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.owners.len(), self.dependents.len())
    }
}

/// The ids that stand with a UID.
pub(super) fn with_uid(ids: &BTreeSet<(Uuid, Id)>, uid: Uuid) -> impl Iterator<Item = Id> {
    let from = ids.range((uid, Id::FIRST)..);
    from.take_while(move |(known, _)| *known == uid).map(|&(_, id)| id)
}
