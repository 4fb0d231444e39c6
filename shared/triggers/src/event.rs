//! What came in.

mod headers;
mod origin;

pub use headers::{Headers, canonical, is_credential, is_signature};
pub use origin::{Origin, forge};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;

/// Largest body that is evaluated, in bytes; the caller may allow less.
pub const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

const FORM: &str = "application/x-www-form-urlencoded";

/// A request as it was received.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Path and query, or the whole address.
    pub url: String,
    /// Headers.
    pub headers: Headers,
    /// Body, as it came.
    pub body: Vec<u8>,
}

/// A request that can be evaluated.
#[derive(Clone, Debug)]
pub struct Event {
    /// The id the sender was told.
    pub id: String,
    /// Path and query, or the whole address.
    pub url: String,
    /// Headers.
    pub headers: Headers,
    /// Body; a form has become JSON.
    pub body: Vec<u8>,
    /// When it came.
    pub received_at: Timestamp,
    payload: Option<Value>,
}

impl Request {
    /// The body as it is evaluated: a form becomes a JSON object of lists of texts.
    ///
    /// # Errors
    /// [`Error::Body`] when it is too large, or is no JSON object though `checked`.
    pub fn payload(&self, checked: bool) -> Result<(Vec<u8>, Option<Value>), Error> {
        if self.body.len() > BODY_BYTES_MAX {
            return Err(Error::Body(format!(
                "the body has {} bytes, at most {BODY_BYTES_MAX} are taken",
                self.body.len()
            )));
        }
        if is_form(&self.headers) {
            let value = form(&self.body);
            return Ok((value.to_string().into_bytes(), Some(value)));
        }
        match serde_json::from_slice::<Value>(&self.body) {
            Ok(value) if value.is_object() || !checked => Ok((self.body.clone(), Some(value))),
            Ok(value) => Err(Error::Body(format!(
                "the body is {}, expected a JSON object",
                crate::text::kind_of(&value)
            ))),
            Err(error) if checked => Err(Error::Body(format!(
                "the body is not JSON: {}",
                crate::text::json_error(&error)
            ))),
            Err(_) => Ok((self.body.clone(), None)),
        }
    }
}

impl Event {
    /// The event of a request. `checked` refuses a body that is no JSON object;
    /// see [`crate::ANNOTATION_PAYLOAD_VALIDATION`](crate::names::ANNOTATION_PAYLOAD_VALIDATION).
    ///
    /// # Errors
    /// [`Error::Body`], to be answered with 400.
    pub fn read(request: &Request, id: String, received_at: Timestamp, checked: bool) -> Result<Self, Error> {
        let (body, payload) = request.payload(checked)?;
        Ok(Self {
            id,
            url: request.url.clone(),
            headers: request.headers.clone(),
            body,
            received_at,
            payload,
        })
    }

    /// The body as JSON; absent when it is none.
    #[must_use]
    pub fn payload(&self) -> Option<&Value> {
        self.payload.as_ref()
    }

    /// The event with another body and other headers, as a webhook interceptor answers.
    #[must_use]
    pub(crate) fn replaced(&self, headers: Headers, body: Vec<u8>) -> Self {
        Self {
            payload: serde_json::from_slice(&body).ok(),
            headers,
            body,
            id: self.id.clone(),
            url: self.url.clone(),
            received_at: self.received_at,
        }
    }
}

/// Whether the content type says form.
pub(crate) fn is_form(headers: &Headers) -> bool {
    let kind = headers.first("Content-Type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(FORM)
}

fn form(body: &[u8]) -> Value {
    let mut fields = serde_json::Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        let values = fields.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(values) = values {
            values.push(value.into());
        }
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests;
