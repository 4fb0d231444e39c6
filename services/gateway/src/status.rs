//! Refusals as Kubernetes' `Status`.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tidemill_objects::{Cause, Error};
use tidemill_resources::GroupResource;
use tidemill_telemetry::Chain;

/// A request that is not granted.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: u16,
    reason: &'static str,
    message: String,
    details: Value,
    retry_after_s: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Value::Null,
            retry_after_s: None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    pub(crate) fn no_such(resource: &str, name: &str) -> Self {
        let mut refusal = Self::new(404, "NotFound", format!("{resource} \"{name}\" not found"));
        refusal.details = json!({"name": name, "kind": resource});
        refusal
    }

    /// One that names the object it is about.
    pub(crate) fn about(
        code: u16,
        reason: &'static str,
        message: impl Into<String>,
        group: &str,
        resource: &str,
        name: &str,
    ) -> Self {
        let mut refusal = Self::new(code, reason, message);
        refusal.details = json!({"kind": resource});
        for (field, text) in [("group", group), ("name", name)] {
            if !text.is_empty() {
                refusal.details[field] = json!(text);
            }
        }
        refusal
    }

    /// Says more.
    pub(crate) fn add(&mut self, text: &str) {
        self.message.push_str(text);
    }

    pub(crate) fn method() -> Self {
        Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn media_type(found: &str, expected: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format ({found}): accepted are {}",
            expected.join(", ")
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(crate) fn timeout(message: &str) -> Self {
        Self::new(504, "Timeout", message)
    }

    /// A cause, as clients look for it in the details.
    pub(crate) fn because(mut self, reason: &str, message: &str, field: &str) -> Self {
        self.details["causes"] = json!([{"reason": reason, "message": message, "field": field}]);
        self
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self {
            retry_after_s: Some(1),
            ..Self::new(503, "ServiceUnavailable", message)
        }
    }

    pub(crate) fn busy(message: &str) -> Self {
        Self {
            retry_after_s: Some(1),
            ..Self::new(429, "TooManyRequests", message)
        }
    }

    /// The `Status` object.
    pub(crate) fn to_value(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        let mut details = self.details.clone();
        if let Some(seconds) = self.retry_after_s {
            details["retryAfterSeconds"] = json!(seconds);
        }
        if !details.is_null() {
            status["details"] = details;
        }
        status
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        if error.code() >= 500 {
            tracing::warn!(code = error.code(), error = %Chain(&error), "A request failed.");
        }
        let retry_after_s = match &error {
            Error::TooManyRequests { retry_after_s, .. } => Some(*retry_after_s),
            Error::Unavailable { .. } => Some(1),
            _ => None,
        };
        Self {
            code: error.code(),
            reason: error.reason(),
            message: error.to_string(),
            details: details(&error),
            retry_after_s,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json_response(code, &self.to_value());
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A response with a JSON body.
pub(crate) fn json_response(code: StatusCode, value: &Value) -> Response {
    json_text(code, value.to_string())
}

/// The same of JSON that is written already.
pub(crate) fn json_text(code: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn told(causes: &[Cause]) -> Vec<Value> {
    let told = |cause: &Cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field});
    causes.iter().map(told).collect()
}

fn details(error: &Error) -> Value {
    let of = |resource: &GroupResource, name: &str| json!({"name": name, "group": resource.group, "kind": resource.resource});
    match error {
        Error::NotFound { resource, name }
        | Error::AlreadyExists { resource, name }
        | Error::Conflict { resource, name, .. }
        | Error::Forbidden { resource, name, .. }
        | Error::TooLarge { resource, name, .. } => of(resource, name),
        Error::FieldConflict { causes, .. } => json!({"causes": told(causes)}),
        Error::Invalid {
            group,
            kind,
            name,
            causes,
        } => {
            json!({"name": name, "group": group, "kind": kind, "causes": told(causes)})
        }
        _ => Value::Null,
    }
}
