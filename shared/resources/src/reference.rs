//! Variables in texts: `$(params.image)`, `$(tasks['1-clone'].results.commit)`, `$(params.list[*])`.
//!
//! What does not have this shape, such as a shell's `$(date)`, is text.

use std::fmt;
use std::ops::Range;

use serde_json::Value;

use crate::path::At;

/// What of a list is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// Nothing is said: the value itself.
    Whole,
    /// `[*]`: all of it.
    Star,
    /// `[3]`: one element, from 0.
    Index(usize),
}

/// A variable's name in parts, whatever the notation: dots, `['x']` or `["x"]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// At least two parts, such as `params`, `image`.
    pub parts: Vec<String>,
    /// What of it is meant.
    pub selector: Selector,
}

/// A reference and where in the text it stands, with `$(` and `)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// The reference.
    pub reference: Reference,
}

/// All references of a text, in order. A reference inside another `$(...)` counts.
#[must_use]
pub fn find(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut start = 0;
    while let Some(offset) = text[start..].find("$(") {
        let begin = start + offset;
        start = begin + 2;
        if let Some((reference, length)) = parse(&text[start..]) {
            found.push(Found {
                range: begin..start + length,
                reference,
            });
            start += length;
        }
    }
    found
}

/// The reference a text consists of, if it is nothing else.
#[must_use]
pub fn whole(text: &str) -> Option<Reference> {
    let (reference, length) = parse(text.strip_prefix("$(")?)?;
    (length + 2 == text.len()).then_some(reference)
}

/// Calls `visit` with each text inside a JSON value and its place.
pub fn texts(value: &Value, at: At<'_>, visit: &mut dyn FnMut(At<'_>, &str)) {
    match value {
        Value::String(text) => visit(at, text),
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| texts(item, at.index(index), visit));
        }
        Value::Object(fields) => fields.iter().for_each(|(key, field)| texts(field, at.key(key), visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Reference {
    /// The first part: `params`, `tasks`, `context` and so on.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.parts[0]
    }

    /// The parts as texts, to match on.
    #[must_use]
    pub fn as_strs(&self) -> Vec<&str> {
        self.parts.iter().map(String::as_str).collect()
    }

    /// Name and, for an object, key of a parameter; also in the old form `inputs.params.x`.
    #[must_use]
    pub fn param(&self) -> Option<&[String]> {
        match self.as_strs().as_slice() {
            ["inputs", "params", _, ..] => Some(&self.parts[2..]),
            ["params", _, ..] => Some(&self.parts[1..]),
            _ => None,
        }
    }

    /// Task and result of `tasks.<task>.results.<result>`.
    #[must_use]
    pub fn task_result(&self) -> Option<(&str, &str)> {
        match self.as_strs().as_slice() {
            ["tasks", task, "results", result, ..] => Some((task, result)),
            _ => None,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.parts[0])?;
        for part in &self.parts[1..] {
            if part.contains('.') {
                write!(formatter, "[{part:?}]")?
            } else {
                write!(formatter, ".{part}")?
            }
        }
        match self.selector {
            Selector::Whole => Ok(()),
            Selector::Star => formatter.write_str("[*]"),
            Selector::Index(index) => write!(formatter, "[{index}]"),
        }
    }
}

/// The reference at the start of `text`, after `$(`, and its length with the closing `)`.
fn parse(text: &str) -> Option<(Reference, usize)> {
    let (first, mut rest) = word(text)?;
    let mut parts = vec![first.to_owned()];
    let mut selector = Selector::Whole;
    loop {
        match rest.as_bytes().first()? {
            b')' if parts.len() > 1 => {
                return Some((Reference { parts, selector }, text.len() - rest.len() + 1));
            }
            _ if selector != Selector::Whole => return None,
            b'.' => {
                let (part, tail) = word(&rest[1..])?;
                parts.push(part.to_owned());
                rest = tail;
            }
            b'[' => match quoted(&rest[1..]) {
                Some((part, tail)) => {
                    parts.push(part.to_owned());
                    rest = tail;
                }
                None => (selector, rest) = bracket(&rest[1..])?,
            },
            _ => return None,
        }
    }
}

fn word(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')?;
    (end > 0).then(|| text.split_at(end))
}

/// `'name']` or `"name"]`.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let (part, rest) = text[1..].split_once(quote)?;
    Some((part, rest.strip_prefix(']')?)).filter(|_| !part.is_empty() && !part.contains(['$', '\n']))
}

/// `*]` or `3]`.
fn bracket(text: &str) -> Option<(Selector, &str)> {
    let (inside, rest) = text.split_once(']')?;
    match inside {
        "*" => Some((Selector::Star, rest)),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((Selector::Index(digits.parse().ok()?), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Selector, find, whole};

    fn all(text: &str) -> Vec<String> {
        find(text).iter().map(|found| found.reference.to_string()).collect()
    }

    #[test]
    fn all_notations_are_found() {
        let text = "a $(params.x) $(params['y.z']) $(params[\"q\"][2]) $(tasks.1-clone.results.out[*])$(params.o.key)";
        assert_eq!(
            all(text),
            [
                "params.x",
                "params[\"y.z\"]",
                "params.q[2]",
                "tasks.1-clone.results.out[*]",
                "params.o.key"
            ]
        );
    }

    #[test]
    fn a_shells_substitutions_are_text() {
        for text in [
            "$(date)",
            "$(cat a.txt)",
            "$( params.x )",
            "$(params.)",
            "$(params.x",
            "$()",
            "$(params[*])",
            "$(a.b[*].c)",
        ] {
            assert_eq!(all(text), Vec::<String>::new(), "{text}");
        }
        assert_eq!(all("$(cat $(params.file))"), ["params.file"]);
        assert_eq!(all("$$(params.x)"), ["params.x"]);
    }

    #[test]
    fn a_reference_may_be_the_whole_text() {
        assert_eq!(
            whole("$(params.list[*])").map(|reference| reference.selector),
            Some(Selector::Star)
        );
        assert_eq!(whole("$(params.list[*]) "), None);
        assert_eq!(whole("x$(params.list[*])"), None);
    }
}
