//! Any other object: its names, then its content as YAML.

use serde_json::{Map, Value};

use super::View;
use super::page::{Heading, Page};
use crate::error::Error;
use crate::json;
use crate::output::{Format, age, print_object};

/// Bytes of a Secret's value are counted, never shown.
const SECRET: &str = "Secret";

/// The page of `object`.
///
/// # Errors
/// [`Error::Internal`] when it cannot be written as YAML.
pub(crate) fn object(view: View, object: &Value) -> Result<String, Error> {
    let mut page = Page::new(view);
    let kind = json::text(object, "/kind");
    page.head(&[
        ("Name", json::name(object).to_owned()),
        ("Namespace", json::namespace(object).to_owned()),
        ("Kind", format!("{kind} ({})", json::text(object, "/apiVersion"))),
        (
            "Created",
            age(json::time(object, "/metadata/creationTimestamp"), view.now),
        ),
    ]);
    page.pairs("Labels", &json::pairs(object, "/metadata/labels"));
    if kind == SECRET {
        secret(&mut page, object);
        return Ok(page.finish());
    }
    let content = content(object);
    if !content.is_empty() {
        page.lines("");
        page.lines(&print_object(&Value::Object(content), Format::Yaml)?);
    }
    Ok(page.finish())
}

fn content(object: &Value) -> Map<String, Value> {
    let mut content = object.as_object().cloned().unwrap_or_default();
    for known in ["apiVersion", "kind", "metadata"] {
        content.remove(known);
    }
    content
}

fn secret(page: &mut Page, object: &Value) {
    let data = object.get("data").and_then(Value::as_object);
    let rows: Vec<[String; 2]> = data
        .into_iter()
        .flatten()
        .map(|(key, value)| {
            [
                key.clone(),
                format!("{} bytes", decoded_length(value.as_str().unwrap_or_default())),
            ]
        })
        .collect();
    if !rows.is_empty() {
        page.heading(Heading::Data);
        page.table(["NAME", "SIZE"], rows);
    }
}

/// Length of what a base64 text stands for.
fn decoded_length(text: &str) -> usize {
    let digits = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=')
        .count();
    digits * 3 / 4
}
