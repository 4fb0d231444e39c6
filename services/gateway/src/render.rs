//! Answers in the form that was asked for.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use tidemill_objects::List;
use tidemill_resources::kind::join_api_version;
use tidemill_resources::{Kind, convert};

use crate::negotiate::Form;
use crate::query::Parameters;
use crate::route::Target;
use crate::status::{Refusal, json_response};
use crate::table::{self, Include};

/// Longest text of one warning, in bytes.
const MAX_WARNING_BYTES: usize = 512;
/// Most warnings of one answer.
const MAX_WARNINGS: usize = 20;

/// How objects of a kind are shown to one client.
#[derive(Clone, Copy)]
pub(crate) struct Renderer {
    kind: &'static Kind,
    version: &'static str,
    form: Form,
    include: Include,
    now: Timestamp,
}

/// The metadata of a list.
pub(crate) struct ListHead {
    pub(crate) version: u64,
    pub(crate) continue_token: Option<String>,
    pub(crate) remaining: Option<usize>,
}

impl ListHead {
    /// That of a page.
    pub(crate) fn of<T>(list: List<T>) -> Self {
        Self {
            version: list.resource_version,
            continue_token: list.continue_token,
            remaining: list.remaining,
        }
    }
}

impl Renderer {
    pub(crate) fn new(target: &Target, form: Form, parameters: &Parameters, now: Timestamp) -> Result<Self, Refusal> {
        let include = match parameters.text("includeObject") {
            "" | "Metadata" => Include::Metadata,
            "None" => Include::None,
            "Object" => Include::Object,
            text => {
                return Err(Refusal::bad_request(format!(
                    "includeObject={text:?}: expected None, Metadata or Object"
                )));
            }
        };
        Ok(Self {
            kind: target.kind,
            version: target.version,
            form,
            include,
            now,
        })
    }

    /// Whether objects are shown as they are stored.
    pub(crate) fn is_as_stored(&self) -> bool {
        self.form == Form::Object && self.version == self.kind.versions[0]
    }

    fn api_version(&self) -> String {
        join_api_version(self.kind.group, self.version)
    }

    /// The object as the version of the address has it.
    fn in_version(&self, mut object: Value) -> Value {
        if self.version != self.kind.versions[0] {
            convert::from_stored(&mut object, &self.api_version());
        }
        object
    }

    /// One object.
    pub(crate) fn value(&self, object: Value) -> Value {
        match self.form {
            Form::Object => self.in_version(object),
            Form::Metadata => table::partial(&object),
            Form::Table => {
                let object = self.in_version(object);
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                table::table(self.kind, &[object], &metadata, self.include, self.now)
            }
        }
    }

    /// What says that everything up to `version` was told.
    pub(crate) fn bookmark(&self, version: u64, initial_end: bool) -> Value {
        let mut metadata = json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
        if initial_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        match self.form {
            Form::Table => table::table(self.kind, &[], &metadata, self.include, self.now),
            Form::Metadata => table::partial(&json!({"metadata": metadata})),
            Form::Object => {
                json!({"kind": self.kind.kind, "apiVersion": self.api_version(), "metadata": metadata})
            }
        }
    }

    /// A list.
    pub(crate) fn list(&self, objects: Vec<Value>, head: &ListHead) -> Value {
        let objects: Vec<Value> = objects.into_iter().map(|object| self.in_version(object)).collect();
        let mut metadata = json!({"resourceVersion": head.version.to_string()});
        if let Some(token) = &head.continue_token {
            metadata["continue"] = json!(token);
        }
        if let Some(remaining) = head.remaining {
            metadata["remainingItemCount"] = json!(remaining);
        }
        match self.form {
            Form::Table => table::table(self.kind, &objects, &metadata, self.include, self.now),
            Form::Metadata => json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                "items": objects.iter().map(table::partial).collect::<Vec<_>>(),
            }),
            Form::Object => json!({
                "kind": format!("{}List", self.kind.kind), "apiVersion": self.api_version(),
                "metadata": metadata, "items": objects,
            }),
        }
    }
}

/// An answer with warnings in its headers.
pub(crate) fn warned(code: StatusCode, value: &Value, warnings: &[String]) -> Response {
    let mut response = json_response(code, value);
    for warning in warnings.iter().take(MAX_WARNINGS) {
        if let Ok(text) = HeaderValue::from_str(&format!("299 - \"{}\"", quoted(warning))) {
            response.headers_mut().append(header::WARNING, text);
        }
    }
    response
}

/// As the inside of a quoted string of a header.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for letter in text.chars() {
        if quoted.len() >= MAX_WARNING_BYTES {
            break;
        }
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            ' '..='~' => quoted.push(letter),
            '\n' | '\t' => quoted.push(' '),
            _ => quoted.push('?'),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_one_quoted_line() {
        let warnings = ["no Task \"x\"\nü".to_owned(), "y".repeat(2_000)];
        let response = warned(StatusCode::OK, &json!({}), &warnings);
        let headers: Vec<_> = response.headers().get_all(header::WARNING).iter().collect();
        assert_eq!(headers[0], "299 - \"no Task \\\"x\\\" ?\"");
        assert_eq!(headers[1].len(), MAX_WARNING_BYTES + 8);
        assert_eq!(headers.len(), 2);
    }
}
