//! Received events, for people. Pure: what is shown follows from the objects, the time and the width.

mod line;
mod page;
mod rows;

pub(crate) use line::{outcome, plain_line};
pub(crate) use page::{Shown, page};
pub(crate) use rows::{Rows, Width};

use serde_json::Value;

use crate::json;

/// Characters of an id that are shown: as many as keep ten thousand events apart.
const ID_CHARS: usize = 8;
/// Characters of a commit that are shown.
const REVISION_CHARS: usize = 7;

/// What stands for the event in lists; `show` and `retry` take it.
pub(crate) fn short_id(event: &Value) -> String {
    let name = json::name(event);
    if name.starts_with("r-") {
        return name.to_owned();
    }
    name.chars().take(ID_CHARS).collect()
}

/// Whose webhook it is; `?` when unknown.
fn from(event: &Value) -> String {
    match json::text(event, "/spec/from") {
        "" => "?".to_owned(),
        from => from.to_owned(),
    }
}

/// `Push Hook main 3f2c1aa`.
fn what(event: &Value, nothing: &str) -> String {
    let spec = |field: &str| json::text(event, &format!("/spec/{field}"));
    let revision: String = spec("revision").chars().take(REVISION_CHARS).collect();
    let words = [spec("event"), spec("branch"), &revision];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [] => nothing.to_owned(),
        words => words.join(" "),
    }
}

#[cfg(test)]
mod tests;
