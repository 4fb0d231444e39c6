//! JSONPath as Kubernetes' client has it: `$(body.commits[0].id)`, `{.body.a}`.
//!
//! Not RFC 9535: a path needs neither `$` nor a leading dot, several matches
//! are a list, and a path that leads nowhere is an error.

mod eval;
mod parse;
pub(crate) mod span;
mod syntax;

use serde_json::Value;

use crate::text::go_json;

pub use syntax::Fault;

/// Longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 4096;
/// Most steps one path may take through a document; a path that needs more fails.
pub const STEPS_MAX: usize = 1_000_000;

/// A path that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    segments: Vec<syntax::Segment>,
}

impl JsonPath {
    /// Reads a path as it stands between `$(` and `)`.
    ///
    /// # Errors
    /// A [`Fault`] that says what is wrong and where.
    pub fn read(text: &str) -> Result<Self, Fault> {
        parse::path(text).map(|segments| Self { segments })
    }

    /// The values it leads to, in the document's order.
    ///
    /// # Errors
    /// A [`Fault`] when it leads nowhere or needs more than [`STEPS_MAX`] steps.
    pub fn find<'a>(&self, document: &'a Value) -> Result<Vec<&'a Value>, Fault> {
        eval::find(&self.segments, document)
    }

    /// What it leads to, as text: a text without its quotes but escaped as in JSON,
    /// everything else as JSON; several matches as a JSON list.
    ///
    /// # Errors
    /// As [`JsonPath::find`], and when nothing matches.
    pub fn text(&self, document: &Value) -> Result<String, Fault> {
        match self.find(document)?.as_slice() {
            [] => Err(Fault::new("nothing matches")),
            [Value::String(text)] => Ok(escaped(text)),
            [value] => Ok(go_json(value)),
            values => {
                let values: Vec<Value> = values.iter().map(|value| (*value).clone()).collect();
                Ok(go_json(&Value::Array(values)))
            }
        }
    }

    /// The field it begins with, and the path from there on.
    pub(crate) fn split_first(&self) -> Option<(&str, Self)> {
        let (first, rest) = self.segments.split_first()?;
        let syntax::Segment::Field(name) = first else {
            return None;
        };
        Some((
            name,
            Self {
                segments: rest.to_vec(),
            },
        ))
    }

    /// Writes the field it begins with anew.
    pub(crate) fn map_first(&mut self, map: impl Fn(&str) -> String) {
        if let Some(syntax::Segment::Field(name)) = self.segments.first_mut() {
            *name = map(name);
        }
    }
}

/// A text as it stands inside the quotes of JSON.
fn escaped(text: &str) -> String {
    let quoted = Value::String(text.to_owned()).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests;
