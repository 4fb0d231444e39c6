//! What happened to runs and at listeners, told as CloudEvents: on the stream, and from there to
//! sinks and to listeners that are fed from a subject.
//!
//! Each state of each object is told once on the stream, and to each sink at least once.

mod decided;
mod feed;
mod release;
mod runs;
mod sink;
mod states;

pub(crate) use decided::decided;
pub(crate) use feed::{Feed, feed};
pub(crate) use runs::run;
pub(crate) use sink::{Sink, deliver, of_listener, of_settings};

use tidemill_bus::{Message, Stored, blob};
use tidemill_messages::cloud_event::CloudEvent;
use tidemill_messages::envelope::TRACEPARENT;
use tidemill_messages::stream::{CLOUD_EVENTS, RELEASES};
use tidemill_messages::{decode, encode};
use tidemill_telemetry::Chain;

use crate::Error;
use crate::app::App;

/// Annotation of a made object: how many events one after the other have led to it.
pub(crate) const ANNOTATION_HOPS: &str = "tidemill.dev/hops";
/// Header of an event that a listener is fed with: the same.
pub(crate) const HEADER_HOPS: &str = "Tidemill-Hops";

/// Stores an event where its subject is empty yet.
async fn publish(app: &App, subject: String, event: &CloudEvent, traceparent: Option<&str>) -> Result<(), Error> {
    let mut message = Message::new(&*subject, encode(&subject, event)?).expecting(0);
    if let Some(context) = traceparent {
        message = message.header(TRACEPARENT, context);
    }
    let message = blob::attach(&app.bus, message).await?;
    match app.bus.publish(message).await {
        Err(error) if !error.is_conflict() => Err(error.into()),
        _ => Ok(()),
    }
}

/// The event in a message of `cloudevents` or `releases`; nothing when it is none that can be told.
///
/// # Errors
/// What passes by itself.
async fn read(app: &App, stored: &Stored) -> Result<Option<CloudEvent>, Error> {
    let event = async {
        let payload = blob::payload(&app.bus, stored).await?;
        match stream_of(&stored.subject) {
            Some(RELEASES) => release::event(stored, &payload),
            _ => Ok(decode(&stored.subject, &payload)?),
        }
    };
    match event.await {
        Ok(event) => Ok(Some(event)),
        Err(error) if error.is_transient() => Err(error),
        Err(error) => {
            tracing::error!(subject = stored.subject, error = %Chain(&error), "An event cannot be told.");
            Ok(None)
        }
    }
}

/// The stream of a subject that events can be told from.
fn stream_of(subject: &str) -> Option<&'static str> {
    match subject.split('.').next()? {
        "release" => Some(RELEASES),
        "cloudevent" => Some(CLOUD_EVENTS),
        _ => None,
    }
}
