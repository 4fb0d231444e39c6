//! One object in the index.

use uuid::Uuid;

use super::kind::KindId;
use super::labels::LabelSet;
use super::slab::Id;
use crate::Key;
use crate::head::{Head, OwnerHead};

/// What is kept of one object, in 72 bytes and its name; or of an owner that is named but not there: a placeholder.
///
/// Kind, namespace, name and UID of an entry never change, so that others can refer to it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) uid: Uuid,
    /// 0: a placeholder. Then it has nothing but its kind, namespace, name, UID and dependents.
    pub(super) sequence: u64,
    pub(super) name: Box<str>,
    generation: u32,
    /// In the pool of namespaces.
    pub(super) namespace: Id,
    pub(super) labels: Option<LabelSet>,
    /// The first owner.
    pub(super) owner: Option<Id>,
    /// One of those whose first owner it is; the others are its siblings.
    pub(super) dependent: Option<Id>,
    pub(super) next_sibling: Option<Id>,
    pub(super) previous_sibling: Option<Id>,
    /// `None`: of a kind that is not served here; only of a placeholder.
    pub(super) kind: Option<KindId>,
    pub(super) deleting: bool,
    /// The first owner waits for it when deleted in the foreground.
    pub(super) blocks: bool,
}

/// One owner of an object, as it names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: Uuid,
    pub(super) name: Box<str>,
    /// `None`: of a kind that is not served here.
    pub(super) kind: Option<KindId>,
    pub(super) blocks: bool,
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
    pub(super) fn placeholder(kind: Option<KindId>, namespace: Id, name: &str, uid: Uuid) -> Self {
        Self {
            uid,
            sequence: 0,
            name: name.into(),
            generation: 0,
            namespace,
            labels: None,
            owner: None,
            dependent: None,
            next_sibling: None,
            previous_sibling: None,
            kind,
            deleting: false,
            blocks: false,
        }
    }

    pub(super) fn is_placeholder(&self) -> bool {
        self.sequence == 0
    }

    /// The state of the object; its labels and owners are other entries' matter too.
    pub(super) fn set(&mut self, sequence: u64, head: &Head) {
        self.sequence = sequence;
        self.generation = u32::try_from(head.generation).unwrap_or(u32::MAX);
        self.deleting = head.deleting;
    }

    /// What is left when the object has passed and its labels and owners are let go.
    pub(super) fn clear(&mut self) {
        self.set(0, &Head::default());
    }

    pub(super) fn known(&self) -> Known {
        Known {
            uid: self.uid,
            sequence: self.sequence,
            generation: self.generation,
            deleting: self.deleting,
        }
    }
}

impl Owner {
    pub(super) fn new(head: &OwnerHead) -> Self {
        Self {
            uid: head.uid,
            name: head.name.as_str().into(),
            kind: KindId::of(&head.group, &head.resource),
            blocks: head.blocks,
        }
    }

    pub(super) fn head(&self) -> OwnerHead {
        let kind = self.kind.map(KindId::kind);
        OwnerHead {
            group: kind.map_or("", |kind| kind.group).to_owned(),
            resource: kind.map_or("", |kind| kind.plural).to_owned(),
            name: self.name.to_string(),
            uid: self.uid,
            blocks: self.blocks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small() {
        // There are two for each stored run.
        assert!(size_of::<Option<Entry>>() <= 72, "{}", size_of::<Option<Entry>>());
    }
}
