//! The decision record: what a run's log consists of.

use serde::{Deserialize, Serialize};
use tidemill_bus::{Bus, Message, Stored, blob};
use tidemill_engine::{Change, Effect, RunState};
use tidemill_messages::envelope::{BASE, DECISION_ID, RUN_OVER, SNAPSHOT, TRACEPARENT, VERSION};
use tidemill_messages::{decode, encode, subject};

use crate::Error;

/// One decision as it lies in stream `runs`, on the run's own subject.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Version of this payload.
    pub version: u64,
    /// Number within the run, from 1.
    pub number: u64,
    /// Tells this decision from one of another planner.
    pub id: String,
    /// Sequences of the facts it answers, in stream `facts`.
    pub facts: Vec<u64>,
    /// What changed.
    pub changes: Vec<Change>,
    /// What is done because of it, once it is stored.
    pub effects: Vec<Effect>,
    /// The whole state after the changes, whenever the changes since the last one outweigh it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Box<RunState>>,
    /// Trace context of the effects.
    pub traceparent: String,
}

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

impl Record {
    /// The message that stores it, without expectation; `base` as in [`Head`].
    pub(crate) fn message(&self, run_uid: &str, base: u64, over: bool) -> Result<Message, Error> {
        let subject = subject::decision(run_uid);
        let payload = encode(&subject, self)?;
        let mut message = Message::new(subject, payload)
            .header(TRACEPARENT, &self.traceparent)
            .header(DECISION_ID, &self.id);
        if over {
            message = message.header(RUN_OVER, "true");
        }
        Ok(match self.snapshot {
            Some(_) => message.header(SNAPSHOT, "true"),
            None => message.header(BASE, base.to_string()),
        })
    }

    pub(crate) async fn read(bus: &Bus, stored: &Stored) -> Result<(Self, usize), Error> {
        let payload = blob::payload(bus, stored).await?;
        Ok((decode(&stored.subject, &payload)?, payload.len()))
    }

    pub(crate) fn template(number: u64, traceparent: String) -> Self {
        Self {
            version: VERSION,
            number,
            id: uuid::Uuid::new_v4().to_string(),
            facts: Vec::new(),
            changes: Vec::new(),
            effects: Vec::new(),
            snapshot: None,
            traceparent,
        }
    }
}
