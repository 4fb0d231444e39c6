//! Values in places that are named by small numbers.

use std::num::NonZeroU32;
use std::ops;

/// Places that are allocated at once. They never move, so that a full slab is not copied to grow, and no room is kept
/// that is as large as what is used.
const CHUNK: usize = 512;

/// The place of a value in a [`Slab`]. It means nothing after the value was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(NonZeroU32);

/// Values, each in a place of its own; a place that was left is taken again.
#[derive(Debug)]
pub(super) struct Slab<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<Id>,
}

impl Id {
    /// Before or at every other in order.
    pub(super) const FIRST: Self = Self(NonZeroU32::MIN);

    fn at(place: usize) -> Self {
        // 4 billion values do not fit into memory.
        Self(NonZeroU32::MIN.saturating_add(place as u32))
    }

    /// Its chunk and the place in it.
    fn place(self) -> (usize, usize) {
        let place = self.0.get() as usize - 1;
        (place / CHUNK, place % CHUNK)
    }
}

impl<T> Slab<T> {
    pub(super) fn insert(&mut self, value: T) -> Id {
        if let Some(id) = self.free.pop() {
            let (chunk, place) = id.place();
            self.chunks[chunk][place] = Some(value);
            return id;
        }
        let whole = self.chunks.len().saturating_sub(1) * CHUNK;
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => {
                chunk.push(Some(value));
                Id::at(whole + chunk.len() - 1)
            }
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(Some(value));
                self.chunks.push(chunk);
                Id::at((self.chunks.len() - 1) * CHUNK)
            }
        }
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<T> {
        let (chunk, place) = id.place();
        let value = self.chunks.get_mut(chunk)?.get_mut(place)?.take()?;
        self.free.push(id);
        Some(value)
    }

    /// How many values there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum::<usize>() - self.free.len()
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> ops::Index<Id> for Slab<T> {
    type Output = T;

    fn index(&self, id: Id) -> &T {
        let (chunk, place) = id.place();
        let value = self.chunks[chunk][place].as_ref();
        value.unwrap_or_else(|| unreachable!("{id:?} is used after its value was removed"))
    }
}

impl<T> ops::IndexMut<Id> for Slab<T> {
    fn index_mut(&mut self, id: Id) -> &mut T {
        let (chunk, place) = id.place();
        let value = self.chunks[chunk][place].as_mut();
        value.unwrap_or_else(|| unreachable!("{id:?} is used after its value was removed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_were_left_are_taken_again() {
        let mut slab = Slab::default();
        let ids: Vec<Id> = (0..2 * CHUNK).map(|value| slab.insert(value)).collect();
        assert!(ids.iter().enumerate().all(|(value, &id)| slab[id] == value));
        assert_eq!(slab.remove(ids[7]), Some(7));
        assert_eq!((slab.remove(ids[7]), slab.len()), (None, 2 * CHUNK - 1));
        assert_eq!(slab.insert(70), ids[7]);
        slab[ids[7]] += 1;
        let next = slab.insert(9);
        assert_eq!((slab[ids[7]], slab[next], slab.len()), (71, 9, 2 * CHUNK + 1));
    }
}
