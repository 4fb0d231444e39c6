//! Lists of events, and one of them.

use axum::http::StatusCode;
use axum::response::Response;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use tidemill_messages::event::{CLASSES, Class, SUMMARY, Summary};
use tidemill_messages::stream::EVENTS;
use tidemill_messages::subject;

use super::filter::Filter;
use super::object::{KIND, Known, api_version, object};
use super::scan::{Entry, newest};
use super::{Call, detail, table, unreadable};
use crate::negotiate::Form;
use crate::status::{Refusal, json_response};
use crate::table::partial;

/// Events of one page where the client names no number, and most it can name.
const LIMIT: usize = 500;
/// Outcomes read at once.
const READS: usize = 16;
/// Redeliveries of one event that are shown.
const REDELIVERIES_MAX: usize = 100;

impl Call<'_> {
    /// A page of events, newest first.
    pub(super) async fn list(&self, namespace: Option<String>) -> Result<Response, Refusal> {
        let filter = Filter::of(&self.parameters)?;
        let limit = self.parameters.parsed("limit")?.unwrap_or(LIMIT).clamp(1, LIMIT);
        let before = self.parameters.parsed("continue")?;
        let page = newest(&self.app.bus, namespace.as_deref(), &filter, limit, before).await?;
        let objects: Vec<Value> = stream::iter(page.entries)
            .map(|entry| async move { self.value(&entry).await })
            .buffered(READS)
            .try_collect()
            .await?;
        let mut metadata = json!({"resourceVersion": page.version.to_string()});
        if let Some(next) = page.next {
            metadata["continue"] = json!(next.to_string());
        }
        let value = match self.form {
            Form::Table => table::table(&objects, &metadata, self.app.bus.now()),
            Form::Metadata => json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                "items": objects.iter().map(partial).collect::<Vec<_>>(),
            }),
            Form::Object => json!({
                "kind": format!("{KIND}List"), "apiVersion": api_version(), "metadata": metadata, "items": objects,
            }),
        };
        Ok(json_response(StatusCode::OK, &value))
    }

    /// One event, whole.
    pub(super) async fn get(&self, namespace: &str, name: &str) -> Result<Response, Refusal> {
        let value = self.whole(namespace, name).await?.1;
        Ok(json_response(StatusCode::OK, &self.shown(value)))
    }

    /// The entry with this name, and all that is known of it.
    pub(super) async fn whole(&self, namespace: &str, name: &str) -> Result<(Entry, Value), Refusal> {
        let bus = &self.app.bus;
        let entry = self.find(namespace, name).await?;
        let mut known = self.known(&entry).await?;
        if entry.is_event() {
            known.event = detail::event(bus, &entry).await?.map(|(event, _)| event);
            known.redelivered_at = self.redeliveries(&entry).await?;
        }
        let value = object(&entry, &known);
        Ok((entry, value))
    }

    async fn find(&self, namespace: &str, name: &str) -> Result<Entry, Refusal> {
        let filter = Filter::by_name(name);
        let missing = || Refusal::no_such("receivedevents.events.tidemill.dev", name);
        let mut before = None;
        loop {
            let page = newest(&self.app.bus, Some(namespace), &filter, 1, before).await?;
            let found = page.entries.into_iter().next();
            if let Some(entry) = found.filter(|entry| entry.name == name) {
                return Ok(entry);
            }
            before = Some(page.next.ok_or_else(missing)?);
        }
    }

    /// An entry as lists show it.
    pub(super) async fn value(&self, entry: &Entry) -> Result<Value, Refusal> {
        Ok(object(entry, &self.known(entry).await?))
    }

    async fn known(&self, entry: &Entry) -> Result<Known, Refusal> {
        let bus = &self.app.bus;
        Ok(match entry.is_event() {
            true => Known {
                outcome: detail::outcome(bus, entry).await?,
                ..Known::default()
            },
            false => Known {
                notice: detail::notice(bus, entry).await?,
                ..Known::default()
            },
        })
    }

    /// When an event came again.
    async fn redeliveries(&self, entry: &Entry) -> Result<Vec<String>, Refusal> {
        let filter = subject::notice(&entry.summary.namespace, &entry.summary.listener);
        let notices = self.app.bus.read_all(EVENTS, &filter, entry.sequence, true).await;
        let notices = notices.map_err(unreadable)?;
        let redelivered = notices.iter().filter_map(|stored| {
            let summary: Summary = serde_json::from_str(stored.header(SUMMARY)?).ok()?;
            let is_one = stored.header(CLASSES) == Some(Class::Redelivered.as_str()) && summary.id == entry.summary.id;
            is_one.then(|| summary.received_at.to_string())
        });
        Ok(redelivered.take(REDELIVERIES_MAX).collect())
    }

    /// An object in the form the client wants.
    pub(super) fn shown(&self, value: Value) -> Value {
        match self.form {
            Form::Object => value,
            Form::Metadata => partial(&value),
            Form::Table => {
                let metadata = json!({"resourceVersion": value["metadata"]["resourceVersion"]});
                table::table(&[value], &metadata, self.app.bus.now())
            }
        }
    }
}
