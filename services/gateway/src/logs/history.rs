//! What is stored of a log, in the order it was written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tidemill_bus::{Bus, Error, Stored};
use tidemill_messages::{log, stream};
use tokio::time::timeout;

/// Texts that may come out of order: more than a runner has on their way at once.
const WINDOW: usize = 64;
/// How long to wait for a message that may have been dropped meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// One text of a container.
pub(super) struct Text {
    pub(super) at: Timestamp,
    pub(super) text: Bytes,
}

/// Puts texts in order and drops those that come twice.
#[derive(Default)]
pub(super) struct Order {
    waiting: BTreeMap<u64, Text>,
    seen: BTreeSet<u64>,
}

impl Order {
    /// A stored text; `None` when it was seen before.
    pub(super) fn accept(&mut self, stored: &Stored) -> Option<(u64, Text)> {
        // What does not number its reports is ordered by sequence.
        let number = stored.header(log::REPORT).and_then(|number| number.parse().ok());
        let number = number.unwrap_or(stored.sequence);
        let known = self.seen.len() >= WINDOW * 2 && self.seen.first().is_some_and(|oldest| number < *oldest);
        if known || !self.seen.insert(number) {
            return None;
        }
        if self.seen.len() > WINDOW * 2 {
            self.seen.pop_first();
        }
        let at = stored
            .header(log::AT)
            .and_then(|at| at.parse().ok())
            .unwrap_or(stored.time);
        let text = stored.payload.clone();
        Some((number, Text { at, text }))
    }

    /// Keeps a text back until no earlier one can come; gives the one whose turn it is.
    pub(super) fn push(&mut self, number: u64, text: Text) -> Option<Text> {
        self.waiting.insert(number, text);
        if self.waiting.len() <= WINDOW {
            return None;
        }
        self.waiting.pop_first().map(|(_, text)| text)
    }

    /// The texts that were kept back.
    pub(super) fn flush(&mut self) -> Vec<Text> {
        std::mem::take(&mut self.waiting).into_values().collect()
    }
}

/// Reads what is stored under `subject` from `from` on, at the call, message by message.
pub(super) struct History {
    reader: Option<tidemill_bus::Reader>,
    bus: Bus,
    subject: String,
    last: u64,
    next: u64,
}

impl History {
    pub(super) async fn open(bus: &Bus, subject: &str, from: u64) -> Result<Self, Error> {
        let last = bus
            .last(stream::LOGS, subject)
            .await?
            .map_or(0, |stored| stored.sequence);
        let reader = if last >= from.max(1) {
            Some(bus.reader(stream::LOGS, subject, from, false).await?)
        } else {
            None
        };
        Ok(Self {
            reader,
            bus: bus.clone(),
            subject: subject.to_owned(),
            last,
            next: from,
        })
    }

    /// The next message; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Stored>, Error> {
        let Some(reader) = &mut self.reader else {
            return Ok(None);
        };
        while self.next <= self.last {
            if let Ok(stored) = timeout(PATIENCE, reader.next()).await {
                let stored = stored?;
                self.next = stored.sequence + 1;
                return Ok(Some(stored));
            }
            // Old texts are dropped when the stream is full: what was last may be gone.
            let last = self.bus.last(stream::LOGS, &self.subject).await?;
            if last.is_none_or(|last| last.sequence < self.next) {
                break;
            }
        }
        Ok(None)
    }
}
