//! Owners and dependents as links between entries.
//!
//! An owner that is named but not there has a placeholder: at the start a TaskRun may come before its run, and an
//! owner may be gone, or be one that nobody knows. The placeholder becomes the object's entry when the object comes,
//! an entry with dependents a placeholder when its object goes. For each kind, namespace, name and UID there is one
//! entry at most.

use uuid::Uuid;

use super::Index;
use super::entry::Entry;
use super::kind::KindId;
use super::others::with_uid;
use super::slab::Id;
use crate::head::OwnerHead;

/// What an entry is about.
#[derive(Clone, Copy)]
pub(super) struct Identity<'a> {
    /// `None`: not served here.
    pub(super) kind: Option<KindId>,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: Uuid,
}

impl<'a> Identity<'a> {
    /// The owner that a dependent in `namespace` means.
    fn of_owner(owner: &'a OwnerHead, namespace: &'a str) -> Self {
        let kind = KindId::of(&owner.group, &owner.resource);
        Self {
            kind,
            namespace: if kind.is_some_and(|kind| kind.kind().namespaced) {
                namespace
            } else {
                ""
            },
            name: &owner.name,
            uid: owner.uid,
        }
    }
}

impl Index {
    /// The entry of an object that is not there yet: its placeholder, or a new one that is named by nobody.
    pub(super) fn admit(&mut self, identity: Identity<'_>) -> Id {
        let Some(id) = self.placeholder(identity) else {
            return self.new_entry(identity);
        };
        self.absent.remove(&(identity.uid, id));
        id
    }

    /// Lets go of an entry whose object has passed; while others name it, it stays as a placeholder.
    pub(super) fn retire(&mut self, id: Id) {
        if self.entries[id].dependent.is_some() {
            self.absent.insert((self.entries[id].uid, id));
        } else {
            self.drop_entry(id);
        }
    }

    /// Sets the owners of an object in `namespace`.
    pub(super) fn set_owners(&mut self, id: Id, namespace: &str, owners: &[OwnerHead]) {
        let first = owners.first().map(|owner| Identity::of_owner(owner, namespace));
        let known = self.entries[id].owner;
        let same = match (known, first) {
            (Some(known), Some(first)) => self.is_of(known, first),
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.unlink(id);
            if let Some(first) = first {
                let owner = self.named(first);
                self.link(id, owner);
            }
        }
        self.entries[id].blocks = owners.first().is_some_and(|owner| owner.blocks);
        self.others.set(id, owners.get(1..).unwrap_or_default());
    }

    /// The entries whose first owner an entry is.
    pub(super) fn children(&self, owner: Id) -> impl Iterator<Item = Id> {
        std::iter::successors(self.entries[owner].dependent, |&id| self.entries[id].next_sibling)
    }

    /// Placeholders of owners with this UID: more than one when it is named in several ways.
    pub(super) fn absent_with(&self, uid: Uuid) -> impl Iterator<Item = Id> {
        with_uid(&self.absent, uid)
    }

    /// The entry of an owner: the object's, or a placeholder.
    fn named(&mut self, owner: Identity<'_>) -> Id {
        let live = owner.kind.and_then(|kind| self.find(kind, owner.namespace, owner.name));
        if let Some(id) = live.filter(|&id| self.entries[id].uid == owner.uid) {
            return id;
        }
        self.placeholder(owner).unwrap_or_else(|| {
            let id = self.new_entry(owner);
            self.absent.insert((owner.uid, id));
            id
        })
    }

    fn placeholder(&self, identity: Identity<'_>) -> Option<Id> {
        self.absent_with(identity.uid).find(|&id| self.is_of(id, identity))
    }

    fn is_of(&self, id: Id, identity: Identity<'_>) -> bool {
        let entry = &self.entries[id];
        (entry.uid, entry.kind, &*entry.name) == (identity.uid, identity.kind, identity.name)
            && **self.namespaces.get(entry.namespace) == *identity.namespace
    }

    fn new_entry(&mut self, identity: Identity<'_>) -> Id {
        let (namespace, _) = self.namespaces.take(identity.namespace);
        let entry = Entry::placeholder(identity.kind, namespace, identity.name, identity.uid);
        self.entries.insert(entry)
    }

    fn drop_entry(&mut self, id: Id) {
        if let Some(entry) = self.entries.remove(id) {
            self.namespaces.release(entry.namespace);
        }
    }

    fn link(&mut self, id: Id, owner: Id) {
        let sibling = self.entries[owner].dependent.replace(id);
        if let Some(sibling) = sibling {
            self.entries[sibling].previous_sibling = Some(id);
        }
        let entry = &mut self.entries[id];
        entry.owner = Some(owner);
        entry.next_sibling = sibling;
    }

    /// Takes an object from its first owner; a placeholder goes with its last dependent.
    fn unlink(&mut self, id: Id) {
        let entry = &mut self.entries[id];
        let Some(owner) = entry.owner.take() else { return };
        let (previous, next) = (entry.previous_sibling.take(), entry.next_sibling.take());
        match previous {
            Some(previous) => self.entries[previous].next_sibling = next,
            None => self.entries[owner].dependent = next,
        }
        if let Some(next) = next {
            self.entries[next].previous_sibling = previous;
        }
        let owner_entry = &self.entries[owner];
        if owner_entry.is_placeholder() && owner_entry.dependent.is_none() {
            self.absent.remove(&(owner_entry.uid, owner));
            self.drop_entry(owner);
        }
    }
}
