//! Storing an event, once.

use std::cell::Cell;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tidemill_bus::{Message, blob};
use tidemill_messages::event::{Body, Event, SUMMARY, Summary};
use tidemill_messages::{encode, envelope, subject};
use tidemill_triggers::{Listener, Request, event_id, event_key};
use tokio::time::timeout;
use uuid::Uuid;

use crate::Error;
use crate::address::Address;
use crate::app::App;
use crate::intake::{RETRY_AFTER_S, STORE_LIMIT};
use crate::notice;
use crate::reply::{Accepted, Refusal};
use crate::retry::until_done;

/// Stores the event of a request; one that is stored already is accepted without another.
pub(crate) async fn store(
    app: &App,
    address: Address,
    listener: &Listener,
    request: &Request,
    sender: &str,
    traceparent: Option<&str>,
) -> Result<Accepted, Refusal> {
    let failed = |error: Error| {
        tracing::warn!(error = %tidemill_telemetry::Chain(&error), "An event could not be stored.");
        let message = "the event could not be stored; send it again";
        Refusal::later(StatusCode::SERVICE_UNAVAILABLE, message, RETRY_AFTER_S)
    };
    // The same for all tries: a request without a delivery id is stored once, too.
    let nonce = Uuid::new_v4().to_string();
    let storing = until_done(&app.stopping, || {
        keep(app, &address, listener, request, &nonce, sender, traceparent)
    });
    let (summary, is_new) = match timeout(STORE_LIMIT, storing).await {
        Ok(Ok(stored)) => stored,
        Ok(Err(Error::Body(error))) => return Err(Refusal::new(StatusCode::BAD_REQUEST, error.to_string())),
        Ok(Err(error)) => return Err(failed(error)),
        Err(_) => return Err(failed(Error::Stopping)),
    };
    tracing::info!(
        id = summary.id,
        listener = address.listener,
        namespace = address.namespace,
        is_new,
        "An event came in."
    );
    let id = summary.id.clone();
    if !is_new {
        notice::redelivered(app, summary);
    }
    Ok(Accepted {
        address,
        listener_uid: listener.metadata.uid.clone().unwrap_or_default(),
        id,
    })
}

/// Stores the event of a request; gives its summary, and whether it was not stored before. Safe to repeat:
/// `nonce` stands in for the delivery id of a request without one.
///
/// # Errors
/// [`Error::Body`] for a body that cannot be evaluated; what the store says.
pub(crate) async fn keep(
    app: &App,
    address: &Address,
    listener: &Listener,
    request: &Request,
    nonce: &str,
    sender: &str,
    traceparent: Option<&str>,
) -> Result<(Summary, bool), Error> {
    let uid = listener.metadata.uid.as_deref().unwrap_or_default();
    let key = event_key(&app.sealer.salted(uid), request, nonce);
    let mut event = event(app, address, uid, &key, request, listener.checks_payload())?;
    event.summary.sender = sender.to_owned();
    let is_new = publish(app, message(&event, traceparent)?).await?;
    Ok((event.summary, is_new))
}

/// The event of a request, sealed. A body that cannot be evaluated is refused.
fn event(app: &App, address: &Address, uid: &str, key: &str, request: &Request, checked: bool) -> Result<Event, Error> {
    let (id, now) = (event_id(key), app.bus.now());
    let read = tidemill_triggers::Event::read(request, id.clone(), now, checked).map_err(Error::Body)?;
    let origin = read.origin();
    let summary = Summary {
        id,
        key: key.to_owned(),
        namespace: address.namespace.clone(),
        listener: address.listener.clone(),
        listener_uid: uid.to_owned(),
        received_at: now,
        from: origin.forge,
        event: origin.event,
        branch: origin.branch,
        revision: origin.revision,
        repository: origin.repository,
        sender: String::new(),
    };
    let broken = Cell::new(false);
    let sealed = request.headers.sealed(|value| {
        app.sealer.seal(key, value).unwrap_or_else(|_| {
            broken.set(true);
            String::new()
        })
    });
    if broken.get() {
        return Err(Error::Random);
    }
    let body = match std::str::from_utf8(&request.body) {
        Ok(text) => Body::Text(text.to_owned()),
        Err(_) => Body::Base64(BASE64_STANDARD.encode(&request.body)),
    };
    Ok(Event {
        version: envelope::VERSION,
        summary,
        url: request.url.clone(),
        headers: sealed
            .iter()
            .map(|(name, values)| (name.to_owned(), values.to_vec()))
            .collect(),
        body,
        checked,
    })
}

fn message(event: &Event, traceparent: Option<&str>) -> Result<Message, Error> {
    let summary = &event.summary;
    let subject = subject::event(&summary.namespace, &summary.listener_uid, &summary.key);
    let payload = encode(&subject, event)?;
    let shown = encode(&subject, summary)?;
    let message = Message::new(subject, payload).expecting(0);
    let message = message.header(SUMMARY, ascii(&String::from_utf8_lossy(&shown)));
    Ok(match traceparent {
        Some(parent) => message.header(envelope::TRACEPARENT, parent),
        None => message,
    })
}

/// JSON in ASCII: what is not is escaped, which JSON reads back.
pub(crate) fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    text
}

/// Stores an event; `false`: it was stored before. Safe to repeat.
async fn publish(app: &App, message: Message) -> Result<bool, Error> {
    let message = blob::attach(&app.bus, message).await?;
    match app.bus.publish(message).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_conflict() => Ok(false),
        // What is full stays full for longer than a sender waits.
        Err(tidemill_bus::Error::Full { subject, limit }) => Err(Error::Full { subject, limit }),
        Err(error) => Err(error.into()),
    }
}
