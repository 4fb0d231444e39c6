//! Merge keys: `<<: *base`.

use std::collections::HashSet;
use std::sync::Arc;

use crate::manifest::tree::{Content, Entry, Node};

/// Collects what a merge key brings: an object, or several in a list.
pub(super) fn collect(node: &Arc<Node>, merged: &mut Vec<Entry>) -> Result<(), &'static str> {
    match &node.content {
        Content::Map(entries) => {
            merged.extend(entries.iter().cloned());
            Ok(())
        }
        Content::List(items) if items.iter().all(|item| matches!(item.content, Content::Map(_))) => {
            items.iter().try_for_each(|item| collect(item, merged))
        }
        Content::List(_) | Content::Scalar(_) => Err("a merge key takes an object or a list of objects"),
    }
}

/// Adds what was merged; the object's own fields win, then what came first.
pub(super) fn fill(entries: &mut Vec<Entry>, merged: Vec<Entry>, mut seen: HashSet<String>) {
    entries.extend(merged.into_iter().filter(|entry| seen.insert(entry.key.clone())));
}
