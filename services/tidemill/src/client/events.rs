//! Received events: `events.tidemill.dev/v1`.

use serde_json::Value;

use super::lines::{Line, Lines};
use super::{Client, encode};
use crate::error::Error;

/// Longest line of a watch, in bytes: what became of an event, without its payload.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Where events lie; all namespaces without one.
fn collection(namespace: Option<&str>) -> String {
    let group = "/apis/events.tidemill.dev/v1";
    match namespace {
        Some(namespace) => format!("{group}/namespaces/{}/receivedevents", encode(namespace)),
        None => format!("{group}/receivedevents"),
    }
}

impl Client {
    /// A page of events that match `query` (encoded, may be empty), newest first.
    ///
    /// # Errors
    /// [`Error::Refused`] for a filter that is none, [`Error::Unreachable`].
    pub(crate) async fn events(&self, namespace: Option<&str>, query: &str) -> Result<Value, Error> {
        let path = format!("{}?{query}", collection(namespace));
        self.call("GET", &path, "application/json", None).await
    }

    /// One event, with its payload.
    ///
    /// # Errors
    /// [`Error::Refused`] with 404 when there is none.
    pub(crate) async fn event(&self, name: &str) -> Result<Value, Error> {
        let path = format!("{}/{}", collection(Some(self.namespace())), encode(name));
        self.call("GET", &path, "application/json", None).await
    }

    /// Asks for an event to be evaluated again; gives it as it is.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub(crate) async fn retry_event(&self, name: &str) -> Result<Value, Error> {
        let path = format!("{}/{}/retry", collection(Some(self.namespace())), encode(name));
        self.call("POST", &path, "application/json", None).await
    }

    /// Events that match `query`, as they come in and come to their end after `version`.
    ///
    /// # Errors
    /// As [`Client::events`].
    pub(crate) async fn event_lines(
        &self,
        namespace: Option<&str>,
        query: &str,
        version: &str,
    ) -> Result<EventLines, Error> {
        let path = format!("{}?watch=true&resourceVersion={version}&{query}", collection(namespace));
        let response = self.send("GET", &path, "application/json", None).await?;
        Ok(EventLines {
            lines: Lines::new(response.into_body(), LINE_BYTES_MAX),
        })
    }
}

/// A watch of events.
pub(crate) struct EventLines {
    lines: Lines,
}

impl EventLines {
    /// The next change: `ADDED` or `MODIFIED`, and the event. `None` when the connection ended.
    ///
    /// # Errors
    /// [`Error::Refused`] when the server cannot go on.
    pub(crate) async fn next(&mut self) -> Result<Option<(String, Value)>, Error> {
        let Some(Line::Whole(line)) = self.lines.next().await else {
            return Ok(None);
        };
        let mut change: Value =
            serde_json::from_str(&line).map_err(|source| Error::internal("read an event of a watch", source))?;
        let object = change.get_mut("object").map(Value::take).unwrap_or_default();
        let kind = change.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind == "ERROR" {
            let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let code = object.get("code").and_then(Value::as_u64).unwrap_or(500);
            return Err(Error::Refused {
                message: text("message"),
                reason: text("reason"),
                code: u16::try_from(code).unwrap_or(500),
            });
        }
        Ok(Some((kind.to_owned(), object)))
    }
}
