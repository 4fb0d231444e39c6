//! Reading and writing outcomes.

use tidemill_bus::{Bus, Message, blob};
use tidemill_messages::event::{CLASSES, Outcome};
use tidemill_messages::stream::EVENTS;
use tidemill_messages::{decode, encode};

use crate::Error;

/// The newest outcome on `subject` and its sequence.
pub(crate) async fn last(bus: &Bus, subject: &str) -> Result<Option<(u64, Outcome)>, Error> {
    let Some(stored) = bus.last(EVENTS, subject).await? else {
        return Ok(None);
    };
    let payload = blob::payload(bus, &stored).await?;
    Ok(Some((stored.sequence, decode(subject, &payload)?)))
}

/// Writes an outcome where the last one has sequence `expected`, and gives its own; nothing: somebody
/// else was first.
pub(crate) async fn write(bus: &Bus, subject: &str, outcome: &Outcome, expected: u64) -> Result<Option<u64>, Error> {
    let message = Message::new(subject, encode(subject, outcome)?).expecting(expected);
    let message = message.header(CLASSES, outcome.class_words());
    let message = blob::attach(bus, message).await?;
    match bus.publish(message).await {
        Ok(sequence) => Ok(Some(sequence)),
        Err(error) if error.is_conflict() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
