//! Answers to senders, in Tekton's JSON.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tidemill_triggers::Receipt;

use crate::address::Address;

/// An event that is stored.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) address: Address,
    pub(crate) listener_uid: String,
    pub(crate) id: String,
}

/// A request that is not taken.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: StatusCode,
    message: String,
    retry_after_s: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(code: StatusCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_s: None,
        }
    }

    /// HTTP status of the answer.
    pub(crate) fn code(&self) -> u16 {
        self.code.as_u16()
    }

    /// What the sender is told.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// To be tried again after `seconds`.
    pub(crate) fn later(code: StatusCode, message: impl Into<String>, seconds: u64) -> Self {
        Self {
            retry_after_s: Some(seconds),
            ..Self::new(code, message)
        }
    }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let receipt = Receipt {
            event_listener: self.address.listener,
            namespace: self.address.namespace,
            event_listener_uid: self.listener_uid,
            event_id: self.id,
            error_message: String::new(),
        };
        (StatusCode::ACCEPTED, Json(receipt)).into_response()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let receipt = Receipt {
            error_message: self.message,
            ..Receipt::default()
        };
        let mut response = (self.code, Json(receipt)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
