//! Values that repeat, kept once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use super::slab::{Id, Slab};

/// Different values with the number of their users.
#[derive(Debug)]
pub(super) struct Pool<T: ?Sized> {
    known: HashMap<Arc<T>, Id>,
    slots: Slab<Slot<T>>,
}

#[derive(Debug)]
struct Slot<T: ?Sized> {
    value: Arc<T>,
    users: u32,
}

impl<T: ?Sized + Eq + Hash> Pool<T> {
    /// The value for one more user, who gives it back to [`Pool::release`]; and whether it is new here.
    pub(super) fn take<'a>(&mut self, value: &'a T) -> (Id, bool)
    where
        Arc<T>: From<&'a T>,
    {
        if let Some(&id) = self.known.get(value) {
            self.share(id);
            return (id, false);
        }
        let value: Arc<T> = value.into();
        let id = self.slots.insert(Slot {
            value: value.clone(),
            users: 1,
        });
        self.known.insert(value, id);
        (id, true)
    }

    /// The same value has one more user.
    pub(super) fn share(&mut self, id: Id) {
        self.slots[id].users += 1;
    }

    /// Gives the value when that was its last user.
    pub(super) fn release(&mut self, id: Id) -> Option<Arc<T>> {
        let slot = &mut self.slots[id];
        slot.users -= 1;
        if slot.users > 0 {
            return None;
        }
        let value = self.slots.remove(id)?.value;
        self.known.remove(&value);
        Some(value)
    }

    pub(super) fn get(&self, id: Id) -> &Arc<T> {
        &self.slots[id].value
    }

    /// How many different values there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.known.len(), self.slots.len());
        self.known.len()
    }
}

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            slots: Slab::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_with_their_last_user() {
        let mut pool = Pool::<str>::default();
        let (first, new) = pool.take("a");
        assert!(new);
        assert_eq!(pool.take("a"), (first, false));
        pool.share(first);
        assert_eq!((pool.release(first), pool.release(first)), (None, None));
        assert_eq!((&**pool.get(first), pool.len()), ("a", 1));
        assert_eq!(pool.release(first).as_deref(), Some("a"));
        assert_eq!(pool.len(), 0);
        assert!(pool.take("a").1);
    }
}
