//! Keys and scalars.

use std::collections::HashSet;

use serde_json::Value;
use serde_saphyr::granit_parser::{ScalarStyle, Span, Tag};

use crate::manifest::scalar;
use crate::manifest::tree::{Content, Mark, Node};

/// A key that waits for its value.
pub(super) enum Key {
    Name(String, Mark),
    Merge,
}

/// The key a node is, unless it stood before.
pub(super) fn next_key(node: &Node, merges: bool, seen: &mut HashSet<String>) -> Result<Key, String> {
    if merges {
        return Ok(Key::Merge);
    }
    let name = match &node.content {
        Content::Scalar(Value::String(text)) => text.clone(),
        Content::Scalar(Value::Number(number)) if number.is_f64() => {
            crate::param::go_number(number.as_f64().unwrap_or_default())
        }
        Content::Scalar(value) if !value.is_null() => value.to_string(),
        Content::Scalar(_) => return Err("a key is missing".to_owned()),
        Content::List(_) | Content::Map(_) => return Err("a key must be a string".to_owned()),
    };
    if seen.insert(name.clone()) {
        Ok(Key::Name(name, node.mark))
    } else {
        Err(format!("the key {name:?} stands twice"))
    }
}

/// The value of a scalar by its style and tag.
pub(super) fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, scalar::Error> {
    match (tag, style) {
        (None, ScalarStyle::Plain) => scalar::plain(text),
        (None, _) => Ok(Value::String(text.to_owned())),
        (Some(tag), _) => match tag.suffix_in_namespace("tag:yaml.org,2002:") {
            Some(name) => scalar::tagged(text, &name),
            None => Ok(Value::String(text.to_owned())),
        },
    }
}

/// Where an event stands.
pub(super) fn mark_of(span: &Span) -> Mark {
    let (start, end) = (span.start, span.end);
    // What goes on over more lines is shown by its first character.
    let length = if start.line() == end.line() {
        end.col().saturating_sub(start.col())
    } else {
        1
    };
    Mark {
        line: start.line(),
        column: start.col() + 1,
        length,
    }
}
