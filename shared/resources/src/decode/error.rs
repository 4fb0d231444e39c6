//! A fault found by a type's own reading code.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::path::{At, Path};
use crate::problem::{Problem, Severity, one_of};

/// What could not be read, and where once the reader has said so.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) path: Option<Path>,
    message: String,
    expected: Option<String>,
    hint: Option<&'static str>,
}

impl Fault {
    /// Names the place unless a deeper one was named before.
    pub(super) fn at(mut self, at: At<'_>) -> Self {
        self.path.get_or_insert_with(|| at.path());
        self
    }

    /// A word that its enum does not have.
    pub(super) fn word(kind: &str, word: &str, words: &[&str]) -> Self {
        let noun = noun(kind);
        let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
            "an"
        } else {
            "a"
        };
        Self {
            path: None,
            message: format!("{word:?} is not {article} {noun}"),
            expected: Some(one_of(words)),
            hint: (kind == "Operator").then_some("or use `cel:`"),
        }
    }

    pub(super) fn into_problem(self) -> Problem {
        Problem {
            path: self.path.unwrap_or_default(),
            message: self.message,
            expected: self.expected,
            hint: self.hint.map(str::to_owned),
            severity: Severity::Error,
            at_key: false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            path: None,
            message: message.to_string(),
            expected: None,
            hint: None,
        }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = shape(&expected.to_string());
        Self {
            path: None,
            hint: hint(unexpected, &expected),
            message: found(unexpected),
            expected: Some(expected),
        }
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }
}

/// The last word of a type's name: `PipelineRunSpecStatus` is a status.
fn noun(kind: &str) -> String {
    let start = kind.rfind(|c: char| c.is_ascii_uppercase()).unwrap_or(0);
    kind[start..].to_lowercase()
}

/// What was found, as its author wrote it.
fn found(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(value) => format!("found {value}"),
        Unexpected::Unsigned(number) => format!("found the number {number}"),
        Unexpected::Signed(number) => format!("found the number {number}"),
        Unexpected::Float(number) => format!("found the number {}", crate::param::go_number(number)),
        Unexpected::Str(text) => format!("found the text {text:?}"),
        Unexpected::Seq => "found a list".to_owned(),
        Unexpected::Map => "found an object".to_owned(),
        other => format!("found {other}"),
    }
}

/// A type in the words of people who write YAML.
fn shape(expected: &str) -> String {
    match expected {
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "Quantity" => "a quantity such as 1Gi or 500m",
        "Time" => "a time such as 2026-01-31T12:00:00Z",
        "IntOrString" => "a number or a string",
        "a string" | "a map" | "u32" | "i32" | "i64" => return number_or_same(expected).to_owned(),
        other if other.starts_with("struct ") || is_type_name(other) => "an object",
        other => other,
    }
    .to_owned()
}

fn number_or_same(expected: &str) -> &str {
    match expected {
        "a map" => "an object",
        "u32" => "a whole number, 0 or more",
        "i32" | "i64" => "a whole number",
        other => other,
    }
}

/// Kubernetes' types call themselves by their name.
fn is_type_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(char::is_alphanumeric)
}

fn hint(unexpected: Unexpected<'_>, expected: &str) -> Option<&'static str> {
    let is_text = expected.contains("string");
    match unexpected {
        Unexpected::Bool(_) if is_text => Some("put it in quotes: y, n, yes, no, on and off are booleans too"),
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) if is_text => Some("put it in quotes"),
        Unexpected::Str("true" | "false") if expected == "true or false" => Some("write it without quotes"),
        _ => None,
    }
}
