//! One object in the index.

use tidemill_resources::Kind;
use uuid::Uuid;

use super::symbols::Labels;
use super::{KindId, kind_id};
use crate::Key;
use crate::head::{Head, OwnerHead};

/// What is kept of one object; 64 bytes, its labels and its owners.
#[derive(Debug)]
pub(super) struct Entry {
    uid: Uuid,
    sequence: u64,
    generation: u32,
    deleting: bool,
    labels: Labels,
    owners: Box<[Owner]>,
}

/// One owner of an object.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) uid: Uuid,
    name: Box<str>,
    /// `None`: of a kind that is not served here.
    kind: Option<KindId>,
    blocks: bool,
}

/// An object as it was at one sequence, in the ring.
#[derive(Debug)]
pub(super) struct State {
    pub(super) sequence: u64,
    pub(super) uid: Uuid,
    pub(super) labels: Labels,
    /// Only of a state that has passed.
    pub(super) owners: Box<[Owner]>,
}

/// What the index knows about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its UID.
    pub uid: Uuid,
    /// Its resourceVersion.
    pub sequence: u64,
    /// Its generation; 0 for kinds without.
    pub generation: u32,
    /// It has a deletion timestamp.
    pub deleting: bool,
}

/// A dependent and how it hangs on its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) key: Key,
    /// Its owner waits for it when deleted in the foreground.
    pub(crate) blocks: bool,
    pub(crate) deleting: bool,
}

impl Entry {
    pub(super) fn new(sequence: u64, head: &Head, labels: Labels) -> Self {
        Self {
            uid: head.uid,
            sequence,
            generation: u32::try_from(head.generation).unwrap_or(u32::MAX),
            deleting: head.deleting,
            labels,
            owners: head.owners.iter().map(Owner::new).collect(),
        }
    }

    pub(super) fn known(&self) -> Known {
        Known {
            uid: self.uid,
            sequence: self.sequence,
            generation: self.generation,
            deleting: self.deleting,
        }
    }

    pub(super) fn labels(&self) -> &Labels {
        &self.labels
    }

    pub(super) fn owners(&self) -> &[Owner] {
        &self.owners
    }

    pub(super) fn has_owners(&self) -> bool {
        !self.owners.is_empty()
    }

    pub(super) fn owner_heads(&self) -> Vec<OwnerHead> {
        self.owners.iter().map(Owner::head).collect()
    }

    pub(super) fn link(&self, key: Key, owner: Uuid) -> Link {
        Link {
            key,
            blocks: self.owners.iter().any(|known| known.uid == owner && known.blocks),
            deleting: self.deleting,
        }
    }

    pub(super) fn into_state(self) -> State {
        State {
            sequence: self.sequence,
            uid: self.uid,
            labels: self.labels,
            owners: self.owners,
        }
    }
}

impl Owner {
    fn new(head: &OwnerHead) -> Self {
        Self {
            uid: head.uid,
            name: head.name.as_str().into(),
            kind: kind_id(&head.group, &head.resource),
            blocks: head.blocks,
        }
    }

    pub(super) fn head(&self) -> OwnerHead {
        let kind = self.kind.map(|id| &Kind::all()[usize::from(id)]);
        OwnerHead {
            group: kind.map_or("", |kind| kind.group).to_owned(),
            resource: kind.map_or("", |kind| kind.plural).to_owned(),
            name: self.name.to_string(),
            uid: self.uid,
            blocks: self.blocks,
        }
    }
}
