//! Events as they come in and come to their end.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};
use tidemill_bus::{Bus, Reader, Stored};
use tidemill_messages::event::{CLASSES, Class};
use tidemill_messages::stream::EVENTS;
use tidemill_messages::subject;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::filter::Filter;
use super::object::{Known, object};
use super::scan::Entry;
use super::{Call, detail, unreadable};
use crate::negotiate::Form;
use crate::status::Refusal;

impl Call<'_> {
    /// One line an event: ADDED when it came in, MODIFIED when it came to its end. Begins after
    /// `resourceVersion`, without one with what comes from now on.
    pub(super) async fn watch(&self, namespace: Option<String>) -> Result<Response, Refusal> {
        if self.form != Form::Object {
            let message = "events are watched as objects: accept application/json";
            return Err(Refusal::new(406, "NotAcceptable", message));
        }
        let bus = &self.app.bus;
        let after = match self.parameters.parsed("resourceVersion")? {
            Some(version) => version,
            None => bus.last_sequence(EVENTS).await.map_err(unreadable)?,
        };
        let slot = self.app.log_slots.clone().try_acquire_owned();
        let slot =
            slot.map_err(|_| Refusal::busy("too many logs and events are read at once (gateway.log-readers)"))?;
        let about = subject::all_about_events(namespace.as_deref());
        let limit = self.app.settings.stream_timeout.duration();
        let asked = self
            .parameters
            .parsed::<u64>("timeoutSeconds")?
            .map(Duration::from_secs);
        let lines = Lines {
            reader: bus.reader(EVENTS, &about, after + 1, true).await.map_err(unreadable)?,
            teller: Teller {
                bus: bus.clone(),
                filter: Filter::of(&self.parameters)?,
            },
            until: Instant::now() + asked.map_or(limit, |asked| asked.min(limit)),
            shutdown: self.app.shutdown.clone(),
            over: false,
            _slot: slot,
        };
        let body = Body::from_stream(futures::stream::unfold(lines, |mut lines| async move {
            let line = lines.next().await?;
            Some((Ok::<_, Infallible>(line), lines))
        }));
        let mut response = Response::new(body);
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        Ok(response)
    }
}

struct Lines {
    reader: Reader,
    teller: Teller,
    until: Instant,
    shutdown: CancellationToken,
    over: bool,
    _slot: tokio::sync::OwnedSemaphorePermit,
}

/// What messages mean to who watches.
struct Teller {
    bus: Bus,
    filter: Filter,
}

impl Lines {
    async fn next(&mut self) -> Option<Bytes> {
        while !self.over {
            let stored = tokio::select! {
                stored = self.reader.next() => stored.map_err(unreadable),
                () = sleep_until(self.until) => return None,
                () = self.shutdown.cancelled() => return None,
            };
            let told = match stored {
                Ok(stored) => self.teller.tell(&stored).await,
                Err(refusal) => Err(refusal),
            };
            let line = match told {
                Ok(None) => continue,
                Ok(Some((kind, object))) => json!({"type": kind, "object": object}),
                Err(refusal) => {
                    self.over = true;
                    json!({"type": "ERROR", "object": refusal.to_value()})
                }
            };
            return Some(format!("{line}\n").into());
        }
        None
    }
}

impl Teller {
    /// What a message means; `None`: nothing.
    async fn tell(&self, stored: &Stored) -> Result<Option<(&'static str, Value)>, Refusal> {
        if let Some(entry) = Entry::of(stored) {
            let mut known = Known::default();
            if !self.takes(&entry).await? {
                return Ok(None);
            }
            if !entry.is_event() {
                known.notice = detail::notice(&self.bus, &entry).await?;
            }
            return Ok(Some(("ADDED", object(&entry, &known))));
        }
        let classes = Class::list(stored.header(CLASSES).unwrap_or_default());
        let Some(event) = subject::event_of_outcome(&stored.subject) else {
            return Ok(None);
        };
        if classes.is_empty() || classes == [Class::Pending] {
            return Ok(None);
        }
        let event = self.bus.last(EVENTS, &event).await.map_err(unreadable)?;
        let Some(mut entry) = event.as_ref().and_then(Entry::of) else {
            return Ok(None);
        };
        entry.classes = classes;
        if !self.takes(&entry).await? {
            return Ok(None);
        }
        let known = Known {
            outcome: detail::outcome(&self.bus, &entry).await?,
            ..Known::default()
        };
        let mut value = object(&entry, &known);
        value["metadata"]["resourceVersion"] = json!(stored.sequence.to_string());
        Ok(Some(("MODIFIED", value)))
    }

    async fn takes(&self, entry: &Entry) -> Result<bool, Refusal> {
        if !self.filter.takes(&entry.name, &entry.summary, &entry.classes) {
            return Ok(false);
        }
        if !self.filter.needs_payload() {
            return Ok(true);
        }
        let event = match entry.is_event() {
            true => detail::event(&self.bus, entry).await?,
            false => None,
        };
        Ok(event.is_some_and(|(_, event)| self.filter.takes_payload(&event)))
    }
}
