//! Writing and reading decision records.

use tidemill_bus::{Bus, Message, Stored, blob};
use tidemill_engine::Record;
use tidemill_messages::envelope::{BASE, DECISION_ID, RUN_OVER, SNAPSHOT, TRACEPARENT, VERSION};
use tidemill_messages::{decode, encode, subject};

use crate::Error;

/// What the headers of a record say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Sequence of the newest snapshot at or before it; 0 = none, read from the start.
    pub(crate) base: u64,
    /// The run is over.
    pub(crate) over: bool,
}

impl Head {
    pub(crate) fn of(stored: &Stored) -> Self {
        let snapshot = stored.header(SNAPSHOT).is_some();
        let base = stored.header(BASE).and_then(|base| base.parse().ok()).unwrap_or(0);
        Self {
            base: if snapshot { stored.sequence } else { base },
            over: stored.header(RUN_OVER).is_some(),
        }
    }
}

/// The message that stores it, without expectation; `base` as in [`Head`].
pub(crate) fn message(record: &Record, run_uid: &str, base: u64, over: bool) -> Result<Message, Error> {
    let subject = subject::decision(run_uid);
    let payload = encode(&subject, record)?;
    let mut message = Message::new(subject, payload)
        .header(TRACEPARENT, &record.traceparent)
        .header(DECISION_ID, &record.id);
    if over {
        message = message.header(RUN_OVER, "true");
    }
    Ok(match record.snapshot {
        Some(_) => message.header(SNAPSHOT, "true"),
        None => message.header(BASE, base.to_string()),
    })
}

/// Reads a record, from its blob where it names one; also gives its size.
pub(crate) async fn read(bus: &Bus, stored: &Stored) -> Result<(Record, usize), Error> {
    let payload = blob::payload(bus, stored).await?;
    Ok((decode(&stored.subject, &payload)?, payload.len()))
}

/// A record without content.
pub(crate) fn template(number: u64) -> Record {
    Record {
        version: VERSION,
        number,
        id: uuid::Uuid::new_v4().to_string(),
        facts: Vec::new(),
        changes: Vec::new(),
        effects: Vec::new(),
        snapshot: None,
        traceparent: String::new(),
    }
}
