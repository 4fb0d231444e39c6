//! Single objects as text, for those who serve them.

use serde::Serialize;
use serde_json::Value;

use super::compose::compose;
use super::limits::Limits;
use crate::path::At;
use crate::problem::Problem;

/// Reads a JSON object, as the body of a request is.
///
/// # Errors
/// The limit that was met, or what the text breaks off at.
pub fn decode_json(bytes: &[u8], limits: &Limits) -> Result<Value, Problem> {
    if bytes.len() > limits.document_bytes {
        let expected = format!("at most {} bytes a document", limits.document_bytes);
        return Err(Problem::error(At::ROOT, format!("{} bytes", bytes.len())).expected(expected));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Problem::error(At::ROOT, format!("not JSON: {error}")).hint(place)
    })
}

/// Reads a YAML text that holds one object.
///
/// # Errors
/// What cannot be read, the limit that was met, or the number of objects.
pub fn decode_yaml(bytes: &[u8], limits: &Limits) -> Result<Value, Problem> {
    let documents = compose(bytes, limits).map_err(|broken| {
        let place = broken
            .mark
            .map(|mark| format!("line {}, column {}", mark.line, mark.column));
        let mut problem = Problem::error(At::ROOT, format!("not YAML: {}", broken.message));
        (problem.expected, problem.hint) = (broken.expected, place);
        problem
    })?;
    match documents.as_slice() {
        [document] => Ok(document.root.to_value()),
        several => Err(Problem::error(At::ROOT, format!("{} objects", several.len())).expected("one")),
    }
}

/// Writes a value as YAML that reads back as the same value, also for readers of YAML 1.1.
///
/// # Errors
/// None for values that have a JSON form.
pub fn to_yaml(value: &impl Serialize) -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(value)
}
