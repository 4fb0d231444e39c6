//! Listeners that are fed from a subject instead of HTTP.

use std::time::Duration;

use tidemill_bus::ConsumerSpec;
use tidemill_messages::cloud_event::CloudEvent;
use tidemill_messages::envelope::TRACEPARENT;
use tidemill_objects::Key;
use tidemill_resources::Kind;
use tidemill_telemetry::Chain;
use tidemill_triggers::{Headers, Listener, Request};

use super::{HEADER_HOPS, read, stream_of};
use crate::address::Address;
use crate::app::App;
use crate::retry::until_done;
use crate::{Error, store};

/// An event that nobody works on for so long comes again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Events that are asked for at once.
const BATCH_MAX: usize = 32;
/// Events that may lead to one another: a listener that starts runs and hears of runs is a circle.
const HOPS_MAX: u32 = 8;

/// What a listener is fed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Feed {
    pub(crate) namespace: String,
    pub(crate) listener: String,
    pub(crate) uid: String,
    /// A subject of stream `releases` or `cloudevents`, wildcards allowed.
    pub(crate) subject: String,
}

impl Feed {
    /// Its stream and durable consumer; nothing for a subject that is none of these.
    pub(crate) fn consumer(&self) -> Option<(&'static str, String)> {
        Some((stream_of(&self.subject)?, format!("feed-{}", self.uid)))
    }
}

/// Stores an event of the listener for each message of its subject, until ingest stops or the
/// listener is gone.
pub(crate) async fn feed(app: &App, feed: &Feed) -> Result<(), Error> {
    let Some((stream, name)) = feed.consumer() else {
        return Ok(());
    };
    let spec = ConsumerSpec {
        stream: stream.to_owned(),
        name,
        filters: vec![feed.subject.clone()],
        ack_wait: ACK_WAIT,
        max_ack_pending: 2 * BATCH_MAX as u64,
        pinned: None,
        from_start: false,
    };
    let mut consumer = until_done(&app.stopping, || async { Ok(app.bus.consumer(&spec).await?) }).await?;
    loop {
        for delivery in consumer.next_batch(BATCH_MAX).await? {
            let fed = until_done(&app.stopping, || async {
                match read(app, &delivery.message).await? {
                    Some(event) => one(app, feed, &event, delivery.message.header(TRACEPARENT)).await,
                    None => Ok(()),
                }
            });
            match fed.await {
                Ok(()) => delivery.ack().await,
                Err(Error::Stopping) => return Err(Error::Stopping),
                Err(error) => {
                    let (error, subject) = (Chain(&error).to_string(), &delivery.message.subject);
                    tracing::error!(error, subject, listener = feed.listener, "A listener was not fed.");
                    delivery.terminate().await;
                }
            }
        }
    }
}

/// Feeds one event, as part of the trace of what happened.
async fn one(app: &App, feed: &Feed, event: &CloudEvent, traceparent: Option<&str>) -> Result<(), Error> {
    if event.hops >= HOPS_MAX {
        let (id, listener) = (&event.id, &feed.listener);
        tracing::warn!(
            id,
            listener,
            "{HOPS_MAX} events led to one another; a listener is not fed with the next."
        );
        return Ok(());
    }
    let Some(listener) = listener(app, feed).await? else {
        return Ok(());
    };
    let mut headers = Headers::default();
    for (name, value) in event.headers() {
        headers.add(name, value);
    }
    headers.add(HEADER_HOPS, (event.hops + 1).to_string());
    let request = Request {
        url: format!("/{}/{}", feed.namespace, feed.listener),
        headers,
        body: event.data.to_string().into_bytes(),
    };
    let address = Address {
        namespace: feed.namespace.clone(),
        listener: feed.listener.clone(),
    };
    store::keep(app, &address, &listener, &request, &event.id, "", traceparent).await?;
    Ok(())
}

async fn listener(app: &App, feed: &Feed) -> Result<Option<Listener>, Error> {
    let Some(kind) = Kind::by_resource("triggers.tekton.dev", "eventlisteners") else {
        return Ok(None);
    };
    let object = app
        .objects
        .get(&Key::new(kind, &feed.namespace, &feed.listener))
        .await?;
    let object = object.filter(|object| object.metadata.uid.as_deref() == Some(feed.uid.as_str()));
    object
        .map(|object| Listener::read(&object).map_err(Error::Body))
        .transpose()
}
