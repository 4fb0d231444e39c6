//! Output on its way to the stream `logs`: sent at once, in order, acknowledged later.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tidemill_bus::{Bus, Error, Message};
use tidemill_messages::envelope::TRACEPARENT;
use tidemill_messages::report::{Report, ReportBody};
use tidemill_messages::{AttemptKey, log, stream, subject};
use tokio::time::sleep;

/// Texts of an attempt that may be on their way at once; the step waits when there are more.
const WINDOW: usize = 32;
/// Between two tries to store a text.
const RETRY: Duration = Duration::from_millis(250);

/// Reports of one attempt that are not durable yet.
pub(super) struct Logs {
    bus: Bus,
    traceparent: String,
    pending: VecDeque<Pending>,
    /// Texts of reports up to this one are stored already, by the owner before.
    stored_before: u64,
}

struct Pending {
    sequence: u64,
    /// `None`: nothing of it needs to be stored.
    ack: Option<BoxFuture<'static, ()>>,
}

impl Logs {
    pub(super) fn new(bus: Bus, traceparent: String, stored_before: u64) -> Self {
        Self {
            bus,
            traceparent,
            pending: VecDeque::new(),
            stored_before,
        }
    }

    /// The last report of which text is stored, for an attempt taken over.
    pub(super) async fn stored_of(bus: &Bus, key: &AttemptKey) -> Result<u64, Error> {
        let last = bus.last(stream::LOGS, &subject::logs_of_attempt(key)).await?;
        let number = last.and_then(|stored| stored.header(log::REPORT)?.parse().ok());
        Ok(number.unwrap_or(0))
    }

    /// Whether one more report may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.pending.len() < WINDOW
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Sends the text of a report, if it has one that is not stored yet.
    pub(super) fn push(&mut self, key: &AttemptKey, report: &Report) {
        let ack = match &report.body {
            ReportBody::Log { container, text } if report.sequence > self.stored_before && !text.is_empty() => {
                let message = Message::new(subject::log(key, container), Bytes::copy_from_slice(text.as_bytes()))
                    .header(log::REPORT, report.sequence.to_string())
                    .header(log::AT, report.at.to_string())
                    .header(TRACEPARENT, &self.traceparent);
                Some(self.send(message, report.sequence))
            }
            _ => None,
        };
        self.pending.push_back(Pending {
            sequence: report.sequence,
            ack,
        });
    }

    /// The text is under way when this returns; the future ends when it is stored.
    fn send(&self, message: Message, sequence: u64) -> BoxFuture<'static, ()> {
        let first = self.bus.publish_pipelined(message.clone());
        let bus = self.bus.clone();
        async move {
            let mut answer = first.await;
            while let Err(error) = answer {
                tracing::debug!(%error, "Output could not be stored; it is tried again.");
                sleep(RETRY).await;
                answer = match bus.last(stream::LOGS, &message.subject).await {
                    Ok(Some(stored)) if is_at_least(stored.header(log::REPORT), sequence) => Ok(stored.sequence),
                    Ok(_) => bus.publish(message.clone()).await,
                    Err(error) => Err(error),
                };
            }
        }
        .boxed()
    }

    /// Waits until the oldest report is durable; gives the number up to which all are. Waits for
    /// ever when there is none. Safe to cancel.
    pub(super) async fn durable(&mut self) -> u64 {
        let Some(front) = self.pending.front_mut() else {
            return futures::future::pending().await;
        };
        if let Some(ack) = &mut front.ack {
            ack.await;
        }
        let mut highest = front.sequence;
        self.pending.pop_front();
        while let Some(front) = self.pending.front_mut() {
            let is_stored = front.ack.as_mut().is_none_or(|ack| ack.now_or_never().is_some());
            if !is_stored {
                break;
            }
            highest = front.sequence;
            self.pending.pop_front();
        }
        highest
    }
}

/// A later text of the same container that is stored says that its answer was lost, or that it
/// overtook this one, which then is sent again: `>` would lose it.
fn is_at_least(stored: Option<&str>, sequence: u64) -> bool {
    stored.and_then(|number| number.parse().ok()) == Some(sequence)
}
