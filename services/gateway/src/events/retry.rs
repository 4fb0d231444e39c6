//! Evaluating an event again.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use tidemill_bus::Message;
use tidemill_messages::subject;

use super::{Call, unreadable};
use crate::status::{Refusal, json_response};

impl Call<'_> {
    /// Asks ingest to evaluate an event again. Asking twice is asking once, as what triggers made is
    /// kept; the answer is the event as it is.
    pub(super) async fn retry(&self, namespace: &str, name: &str) -> Result<Response, Refusal> {
        let (entry, mut value) = self.whole(namespace, name).await?;
        let Some(subject) = subject::retry_of_event(&entry.subject) else {
            let message = match value["status"]["redeliveryOf"].as_str() {
                Some(id) => format!("{name} is a redelivery; retry the event itself, {id}"),
                None => format!("{name} was refused and not stored; its sender has to send it again"),
            };
            return Err(Refusal::bad_request(message));
        };
        let message = Message::new(subject, json!({"version": 1, "at": self.app.bus.now()}).to_string());
        let asked = self.app.bus.publish(message).await.map_err(unreadable)?;
        value["metadata"]["resourceVersion"] = json!(asked.to_string());
        Ok(json_response(StatusCode::ACCEPTED, &value))
    }
}
