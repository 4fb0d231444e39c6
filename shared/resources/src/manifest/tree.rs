//! A document as values that know where they stand.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::path::{Path, Segment};

/// Where something stands: line and column from 1, length in characters on that line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) length: usize,
}

/// A value, its place, and its size once aliases are replaced.
///
/// Aliases share nodes, so a bomb of aliases stays small until it is refused.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) mark: Mark,
    pub(super) content: Content,
    pub(super) size: Size,
}

#[derive(Debug)]
pub(super) enum Content {
    Scalar(Value),
    List(Vec<Arc<Node>>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) mark: Mark,
    pub(super) value: Arc<Node>,
}

/// What a value costs when it is written out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) values: usize,
    pub(super) bytes: usize,
    pub(super) depth: usize,
}

impl Size {
    pub(super) fn of_scalar(text: &str) -> Self {
        Self {
            values: 1,
            bytes: text.len(),
            depth: 0,
        }
    }

    pub(super) fn of_list(items: &[Arc<Node>]) -> Self {
        Self::of(items.iter().map(|item| (0, item.size)))
    }

    pub(super) fn of_map(entries: &[Entry]) -> Self {
        Self::of(entries.iter().map(|entry| (entry.key.len(), entry.value.size)))
    }

    fn of(parts: impl Iterator<Item = (usize, Self)>) -> Self {
        let sum = parts.fold(
            Self {
                values: 1,
                bytes: 0,
                depth: 0,
            },
            |sum, (key, part)| Self {
                values: sum.values.saturating_add(part.values),
                bytes: sum.bytes.saturating_add(part.bytes).saturating_add(key),
                depth: sum.depth.max(part.depth),
            },
        );
        Self {
            depth: sum.depth + 1,
            ..sum
        }
    }
}

impl Node {
    /// The value written out. The tree is never deeper than the limit of depth.
    pub(super) fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(|item| item.to_value()).collect(),
            Content::Map(entries) => {
                let fields = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// Whether it is a Secret, or a list with one.
    pub(super) fn has_secret(&self) -> bool {
        let Content::Map(entries) = &self.content else {
            return false;
        };
        entries
            .iter()
            .any(|entry| match (entry.key.as_str(), &entry.value.content) {
                ("kind", Content::Scalar(kind)) => kind == "Secret",
                ("items", Content::List(items)) => items.iter().any(|item| item.has_secret()),
                _ => false,
            })
    }

    /// Where a path leads, or the deepest part of it that is there.
    ///
    /// A list or object is shown by its key, a scalar by itself unless `at_key`.
    pub(super) fn find(&self, path: &Path, at_key: bool) -> Mark {
        let mut here = self;
        let mut shown = self.mark;
        for segment in path.segments() {
            let next = match (&here.content, segment) {
                (Content::List(items), Segment::Index(index)) => items.get(*index).map(|item| (item, item.mark)),
                (Content::Map(entries), Segment::Key(key)) => {
                    entry(entries, key).map(|entry| (&entry.value, entry.mark))
                }
                _ => None,
            };
            let Some((node, mark)) = next else { return shown };
            let is_leaf = matches!(node.content, Content::Scalar(_)) && !at_key && node.mark.length > 0;
            (here, shown) = (node, if is_leaf { node.mark } else { mark });
        }
        shown
    }
}

fn entry<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Entry> {
    let exact = entries.iter().find(|entry| entry.key == key);
    exact.or_else(|| entries.iter().find(|entry| entry.key.eq_ignore_ascii_case(key)))
}
