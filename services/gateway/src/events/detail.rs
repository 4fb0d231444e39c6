//! What the messages of an event hold.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tidemill_bus::{Bus, blob};
use tidemill_messages::event::{Body, Event, Outcome};
use tidemill_messages::notice::Notice;
use tidemill_messages::stream::EVENTS;
use tidemill_messages::{decode, subject};
use tidemill_telemetry::Chain;
use tidemill_triggers::{Headers, Request, is_credential};

use super::scan::Entry;
use super::unreadable;
use crate::status::Refusal;

/// What stands for the value of a header that carries a credential.
const SEALED: &str = "(sealed)";

/// The stored event with its credentials taken out, and the same as filters read it; `None` when it
/// is gone.
pub(super) async fn event(bus: &Bus, entry: &Entry) -> Result<Option<(Event, tidemill_triggers::Event)>, Refusal> {
    let Some(stored) = bus.get(EVENTS, entry.sequence).await.map_err(unreadable)? else {
        return Ok(None);
    };
    let Some(payload) = payload(bus, &stored).await? else {
        return Ok(None);
    };
    let mut event: Event = decode(&stored.subject, &payload).map_err(damaged)?;
    for (name, values) in &mut event.headers {
        if is_credential(name) {
            values.iter_mut().for_each(|value| SEALED.clone_into(value));
        }
    }
    let request = Request {
        url: event.url.clone(),
        headers: Headers::from(event.headers.clone()),
        body: match &event.body {
            Body::Text(text) => text.clone().into_bytes(),
            // What ingest wrote is base64.
            Body::Base64(text) => BASE64_STANDARD.decode(text).unwrap_or_default(),
        },
    };
    let (id, at) = (event.summary.id.clone(), event.summary.received_at);
    // What was stored had been read before, with the same check.
    let read = tidemill_triggers::Event::read(&request, id, at, false).map_err(|error| {
        tracing::warn!(%error, sequence = entry.sequence, "An event cannot be read.");
        Refusal::new(500, "InternalError", "the event cannot be read")
    })?;
    Ok(Some((event, read)))
}

/// What became of an event; `None` while nothing is known.
pub(super) async fn outcome(bus: &Bus, entry: &Entry) -> Result<Option<Outcome>, Refusal> {
    let Some(subject) = subject::outcome_of_event(&entry.subject) else {
        return Ok(None);
    };
    let Some(stored) = bus.last(EVENTS, &subject).await.map_err(unreadable)? else {
        return Ok(None);
    };
    let Some(payload) = payload(bus, &stored).await? else {
        return Ok(None);
    };
    decode(&subject, &payload).map(Some).map_err(damaged)
}

/// A redelivery or refused request; `None` when it is gone.
pub(super) async fn notice(bus: &Bus, entry: &Entry) -> Result<Option<Notice>, Refusal> {
    let stored = bus.get(EVENTS, entry.sequence).await.map_err(unreadable)?;
    let notice = stored.map(|stored| decode(&stored.subject, &stored.payload));
    notice.transpose().map_err(damaged)
}

/// A message's payload; `None` when its blob was swept.
async fn payload(bus: &Bus, stored: &tidemill_bus::Stored) -> Result<Option<bytes::Bytes>, Refusal> {
    match blob::payload(bus, stored).await {
        Ok(payload) => Ok(Some(payload)),
        Err(blob::Error::Missing { .. }) => Ok(None),
        Err(blob::Error::Bus { source, .. }) => Err(unreadable(source)),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "A payload cannot be read.");
            Err(Refusal::new(500, "InternalError", "the payload cannot be read"))
        }
    }
}

fn damaged(error: tidemill_messages::Error) -> Refusal {
    tracing::error!(error = %Chain(&error), "A payload cannot be read.");
    Refusal::new(500, "InternalError", error.to_string())
}
