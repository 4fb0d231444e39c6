//! The facts a runner stores about an attempt.

use bytes::Bytes;
use tidemill_bus::{Error, Message, blob};
use tidemill_messages::envelope::{TRACEPARENT, VERSION};
use tidemill_messages::{AttemptOutcome, Ending, Fact, FactBody, encode, subject};

use super::Attempt;
use crate::outcome::Progress;
use crate::retry::{LetGo, until_answered};

/// Larger facts are not sent twice.
const HINT_BYTES_MAX: usize = 16 * 1024;
/// With more tasks beside it the end of one is not waited for by all else, and the machine has other work.
const HINT_BUSY_MAX: usize = 3;

/// Reason of an attempt whose results no message can hold.
const REASON_TOO_LARGE: &str = "TaskRunResultLargerThanAllowedLimit";

impl Attempt {
    /// Stores how the attempt ended. What is stored first is the result, whoever stored it.
    pub(super) async fn store_finished(&self, outcome: AttemptOutcome) -> Result<(), LetGo> {
        let fact = self.finished_fact(outcome.clone());
        self.hint(&fact).await;
        match self.store_once(fact).await? {
            Ok(()) => Ok(()),
            Err(blob::Error::TooLarge { size }) => {
                let reduced = AttemptOutcome {
                    ending: Ending::Failed {
                        reason: REASON_TOO_LARGE.to_owned(),
                        message: format!("the results have {size} bytes; the limit is {}", blob::MAX_BLOB_BYTES),
                    },
                    results: Vec::new(),
                    ..outcome
                };
                self.store_once(self.finished_fact(reduced)).await.map(drop)
            }
            // Only a size is refused for good.
            Err(_) => Ok(()),
        }
    }

    /// Says it to the planner while it is being stored. Only of an attempt that nobody had before: of any
    /// other the end may be stored already, and that one counts.
    async fn hint(&self, fact: &Message) {
        let is_quiet = self.context.slots.busy() <= HINT_BUSY_MAX;
        let is_ours = self.is_first_hand && self.context.hold.is_held();
        if is_quiet && is_ours && fact.payload.len() <= HINT_BYTES_MAX {
            let hint = Message::new(subject::ending_hint(&self.key.run_uid), fact.payload.clone());
            drop(self.context.bus.notify(hint).await);
        }
    }

    /// Tells that the attempt runs, and its steps, for the `number`th time from 0. For those who watch: nothing depends on
    /// it, so nobody waits.
    pub(super) fn announce(&self, progress: &Progress, number: u32) {
        let Some(started_at) = progress.started_at() else {
            return;
        };
        let body = FactBody::AttemptStarted {
            task: self.key.task.clone(),
            attempt: self.key.attempt,
            pod_name: progress.pod_name().to_owned(),
            started_at,
            steps: progress.steps().to_vec(),
        };
        let what = match number {
            0 => "started".to_owned(),
            again => format!("started.{again}"),
        };
        drop(self.context.bus.publish_pipelined(self.fact(&what, body)));
    }

    /// Gives the attempt back, of which no step had started: it is dispatched again (R4).
    pub(super) async fn store_returned(&self, claim: u64, message: String) -> Result<(), LetGo> {
        let body = FactBody::AttemptReturned {
            task: self.key.task.clone(),
            attempt: self.key.attempt,
            message,
        };
        self.store_once(self.fact(&format!("returned.{claim}"), body))
            .await
            .map(drop)
    }

    fn finished_fact(&self, outcome: AttemptOutcome) -> Message {
        let body = FactBody::AttemptFinished {
            task: self.key.task.clone(),
            attempt: self.key.attempt,
            outcome,
        };
        self.fact("finished", body)
    }

    fn fact(&self, what: &str, body: FactBody) -> Message {
        let subject = subject::attempt_fact(&self.key, what);
        let fact = Fact {
            version: VERSION,
            at: self.context.bus.now(),
            body,
        };
        // Facts are texts, numbers and maps with text keys: they always are JSON.
        let payload = encode(&subject, &fact).map(Bytes::from).unwrap_or_default();
        Message::new(subject, payload)
            .header(TRACEPARENT, &self.traceparent)
            .expecting(0)
    }

    async fn store_once(&self, message: Message) -> Result<Result<(), blob::Error>, LetGo> {
        let bus = &self.context.bus;
        until_answered(&self.context.hold, || async {
            let message = match blob::attach(bus, message.clone()).await {
                Ok(message) => message,
                Err(blob::Error::Bus { source, .. }) => return Err(source),
                Err(other) => return Ok(Err(other)),
            };
            match bus.publish(message).await {
                Ok(_) | Err(Error::Conflict { .. }) => Ok(Ok(())),
                Err(error) => Err(error),
            }
        })
        .await
    }
}
