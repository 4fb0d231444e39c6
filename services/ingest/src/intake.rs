//! From a request to a stored event.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as Stream;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use tidemill_messages::envelope;
use tidemill_triggers::{Headers, Listener, Request};
use tokio::time::timeout;

use crate::Error;
use crate::address::{self, Address};
use crate::app::App;
use crate::notice;
use crate::reply::{Accepted, Refusal};
use crate::store::store;

/// How long the store may take before the sender is told to come back.
pub(crate) const STORE_LIMIT: Duration = Duration::from_secs(10);
/// When senders are to come back, in seconds.
pub(crate) const RETRY_AFTER_S: u64 = 5;

/// Takes a request: once this is `Ok`, the event is stored.
pub(crate) async fn receive(app: &App, parts: &Parts, body: Stream) -> Result<Accepted, Refusal> {
    if parts.method != Method::POST {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "events are sent by POST"));
    }
    app.rate.take().map_err(|wait| {
        let seconds = wait.as_secs() + 1;
        Refusal::later(
            StatusCode::TOO_MANY_REQUESTS,
            "more events a second than ingest.rate",
            seconds,
        )
    })?;
    let Some(_under_way) = app.requests.begin() else {
        let message = "more requests at once than ingest.requests";
        return Err(Refusal::later(StatusCode::SERVICE_UNAVAILABLE, message, 1));
    };
    check_headers(&parts.headers, app.settings.headers.bytes())?;
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let address = address::of(host.unwrap_or_default(), parts.uri.path()).ok_or_else(|| {
        let message = "no EventListener is named: send to /<namespace>/<listener>";
        Refusal::new(StatusCode::NOT_FOUND, message)
    })?;
    let listener = listener(app, &address).await?;
    let body = read(parts, body, app).await?;
    let request = Request {
        url: parts.uri.path_and_query().map_or("/", |url| url.as_str()).to_owned(),
        headers: headers(&parts.headers),
        body: body.to_vec(),
    };
    let sender = notice::sender(parts);
    store(app, address, &listener, &request, &sender, traceparent(parts)).await
}

fn check_headers(headers: &HeaderMap, limit: u64) -> Result<(), Refusal> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if bytes as u64 > limit {
        let message = format!("the headers have {bytes} bytes; the limit is {limit} (ingest.headers)");
        return Err(Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message));
    }
    Ok(())
}

/// The EventListener as it is now.
async fn listener(app: &App, address: &Address) -> Result<Arc<Listener>, Refusal> {
    let later = || {
        Refusal::later(
            StatusCode::SERVICE_UNAVAILABLE,
            "the store does not answer",
            RETRY_AFTER_S,
        )
    };
    let missing = || {
        let message = format!("there is no EventListener {}/{}", address.namespace, address.listener);
        Refusal::new(StatusCode::NOT_FOUND, message)
    };
    let found = timeout(STORE_LIMIT, async {
        app.be_current().await?;
        let (namespace, name) = (&address.namespace, &address.listener);
        app.remembered.listener(&app.objects, namespace, name).await
    });
    let found = found.await;
    let found = found.map_err(|_| later())?.map_err(|error| match error {
        Error::Body(error) => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        error => {
            tracing::warn!(%error, "An EventListener could not be read.");
            later()
        }
    })?;
    found.ok_or_else(missing)
}

/// The body, as long as it is within the limits of size and time.
async fn read(parts: &Parts, body: Stream, app: &App) -> Result<Bytes, Refusal> {
    let limit = app.settings.body.bytes();
    let too_large = || {
        let message = format!("the body is too large; the limit is {limit} bytes (ingest.body)");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    let length = parts.headers.get(header::CONTENT_LENGTH);
    let length: Option<u64> = length.and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let collect = async {
        let mut stream = body.into_data_stream();
        let mut bytes = BytesMut::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the body ended early"))?;
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    };
    timeout(app.settings.body_timeout.duration(), collect)
        .await
        .unwrap_or_else(|_| Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body took too long")))
}

/// Headers as interceptors see them; as in Go, the host is none of them.
pub(crate) fn headers(headers: &HeaderMap) -> Headers {
    let pairs = headers.iter().filter(|(name, _)| *name != header::HOST);
    let pairs = pairs.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())));
    Headers::from_iter(pairs)
}

fn traceparent(parts: &Parts) -> Option<&str> {
    parts.headers.get(envelope::TRACEPARENT)?.to_str().ok()
}
