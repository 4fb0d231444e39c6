//! The objects of a kind in a namespace in the order of their names.

use std::collections::BTreeMap;
use std::ops::Bound::{Included, Unbounded};

use super::entry::Entry;
use super::slab::{Id, Slab};

/// Most objects of one block: so many are moved for one more.
const BLOCK: usize = 128;
/// A block with fewer is put together with the next, if both fit.
const FEW: usize = BLOCK / 4;

/// Ids ordered by the names of their entries, in blocks.
///
/// An ordinary map would need the names once more, and would be half empty where names ascend. That it is not is a
/// third of what makes the index small.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// By a bound: no name in a block is before its own, all are before the next one's. None is empty.
    blocks: BTreeMap<Box<str>, Vec<Id>>,
    len: usize,
}

/// Where a name is or would be. By default the first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place<'a> {
    bound: &'a str,
    at: usize,
}

impl Order {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn find(&self, entries: &Slab<Entry>, name: &str) -> Option<Id> {
        let (_, block) = self.block(name)?;
        search(block, entries, name).ok().map(|at| block[at])
    }

    /// The place of the first object that comes after `name`.
    pub(super) fn after(&self, entries: &Slab<Entry>, name: &str) -> Place<'_> {
        let place = self.block(name).map(|(bound, block)| {
            let at = search(block, entries, name).map_or_else(|at| at, |at| at + 1);
            Place { bound, at }
        });
        place.unwrap_or_default()
    }

    /// The objects from a place on.
    pub(super) fn ids_from<'a>(&'a self, place: Place<'a>) -> impl Iterator<Item = Id> + 'a {
        let mut blocks = self.blocks_from(place);
        let first = blocks.next().and_then(|block| block.get(place.at..));
        first.into_iter().chain(blocks).flatten().copied()
    }

    /// How many objects there are from a place on.
    pub(super) fn count_from(&self, place: Place<'_>) -> usize {
        let count: usize = self.blocks_from(place).map(<[Id]>::len).sum();
        count.saturating_sub(place.at)
    }

    /// Takes in an entry whose name is not there.
    pub(super) fn insert(&mut self, entries: &Slab<Entry>, id: Id) {
        let name = &entries[id].name;
        self.len += 1;
        let Some((_, block)) = self
            .blocks
            .range_mut::<str, _>((Unbounded, Included(&**name)))
            .next_back()
        else {
            self.blocks.insert("".into(), vec![id]);
            return;
        };
        let (Ok(at) | Err(at)) = search(block, entries, name);
        if block.len() < BLOCK {
            block.insert(at, id);
        } else if at == BLOCK {
            // Names that ascend leave full blocks behind them.
            self.blocks.insert(name.clone(), vec![id]);
        } else {
            let mut upper = block.split_off(BLOCK / 2);
            if at <= BLOCK / 2 {
                block.insert(at, id);
            } else {
                upper.insert(at - BLOCK / 2, id);
            }
            self.blocks.insert(entries[upper[0]].name.clone(), upper);
        }
    }

    /// Takes out the object with this name, which must still be its entry's.
    pub(super) fn remove(&mut self, entries: &Slab<Entry>, name: &str) {
        let found = self.blocks.range_mut::<str, _>((Unbounded, Included(name))).next_back();
        let Some((bound, block)) = found else { return };
        let Ok(at) = search(block, entries, name) else { return };
        block.remove(at);
        self.len -= 1;
        let left = block.len();
        if left < FEW {
            let bound = bound.clone();
            self.tidy(&bound, left);
        }
    }

    /// Removes a block of which nothing is left; puts one of which little is left together with the next.
    fn tidy(&mut self, bound: &str, left: usize) {
        if left == 0 {
            self.blocks.remove(bound);
            return;
        }
        let mut blocks = self.blocks.range::<str, _>((Included(bound), Unbounded));
        let Some((next, _)) = blocks.nth(1).filter(|(_, block)| block.len() <= BLOCK - FEW) else {
            return;
        };
        let next = next.clone();
        if let Some(more) = self.blocks.remove(&next)
            && let Some(block) = self.blocks.get_mut(bound)
        {
            block.extend(more);
        }
    }

    /// The block in which a name is or would be, and its bound.
    fn block(&self, name: &str) -> Option<(&str, &[Id])> {
        let (bound, block) = self.blocks.range::<str, _>((Unbounded, Included(name))).next_back()?;
        Some((bound, block))
    }

    fn blocks_from<'a>(&'a self, place: Place<'a>) -> impl Iterator<Item = &'a [Id]> + 'a {
        let blocks = self.blocks.range::<str, _>((Included(place.bound), Unbounded));
        blocks.map(|(_, block)| block.as_slice())
    }
}

fn search(block: &[Id], entries: &Slab<Entry>, name: &str) -> Result<usize, usize> {
    block.binary_search_by(|&id| (*entries[id].name).cmp(name))
}

#[cfg(test)]
mod tests;
