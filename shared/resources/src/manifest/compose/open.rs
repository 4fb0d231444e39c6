//! Lists and objects that are not complete yet.

use std::collections::HashSet;
use std::sync::Arc;

use super::merge;
use super::part::{Key, next_key};
use crate::manifest::tree::{Content, Entry, Mark, Node, Size};

/// A list or object, and the anchor that names it (0: none).
pub(super) struct Open {
    mark: Mark,
    anchor: usize,
    parts: Parts,
}

enum Parts {
    List(Vec<Arc<Node>>),
    Map(Map),
}

#[derive(Default)]
struct Map {
    entries: Vec<Entry>,
    merged: Vec<Entry>,
    seen: HashSet<String>,
    key: Option<Key>,
    has_merge: bool,
}

impl Open {
    pub(super) fn list(mark: Mark, anchor: usize) -> Self {
        Self {
            mark,
            anchor,
            parts: Parts::List(Vec::new()),
        }
    }

    pub(super) fn map(mark: Mark, anchor: usize) -> Self {
        Self {
            mark,
            anchor,
            parts: Parts::Map(Map::default()),
        }
    }

    /// Adds an element, a key or the value of the last key.
    ///
    /// Returns how many fields a merge key copied; fails with what is wrong.
    pub(super) fn add(&mut self, node: Arc<Node>, merges: bool) -> Result<usize, String> {
        let map = match &mut self.parts {
            Parts::List(items) => {
                items.push(node);
                return Ok(0);
            }
            Parts::Map(map) => map,
        };
        match map.key.take() {
            None if merges && map.has_merge => return Err("the key \"<<\" stands twice".to_owned()),
            None => {
                map.has_merge |= merges;
                map.key = Some(next_key(&node, merges, &mut map.seen)?);
            }
            Some(Key::Name(key, mark)) => map.entries.push(Entry { key, mark, value: node }),
            Some(Key::Merge) => {
                merge::collect(&node, &mut map.merged)?;
                return Ok(map.merged.len());
            }
        }
        Ok(0)
    }

    /// The node, now that it is complete, and its anchor.
    pub(super) fn finish(self) -> (Node, usize) {
        let (content, size) = match self.parts {
            Parts::List(items) => {
                let size = Size::of_list(&items);
                (Content::List(items), size)
            }
            Parts::Map(Map {
                mut entries,
                merged,
                seen,
                ..
            }) => {
                merge::fill(&mut entries, merged, seen);
                let size = Size::of_map(&entries);
                (Content::Map(entries), size)
            }
        };
        (
            Node {
                mark: self.mark,
                content,
                size,
            },
            self.anchor,
        )
    }
}
