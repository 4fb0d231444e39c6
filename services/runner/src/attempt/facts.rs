//! The facts a runner stores about an attempt.

use bytes::Bytes;
use tidemill_bus::{Error, Message, blob};
use tidemill_messages::envelope::{TRACEPARENT, VERSION};
use tidemill_messages::{AttemptOutcome, Ending, Fact, FactBody, encode, subject};

use super::Attempt;
use crate::outcome::Progress;
use crate::retry::{LetGo, until_answered};

/// Reason of an attempt whose results no message can hold.
const REASON_TOO_LARGE: &str = "TaskRunResultLargerThanAllowedLimit";

impl Attempt {
    /// Stores how the attempt ended. What is stored first is the result, whoever stored it.
    pub(super) async fn store_finished(&self, outcome: AttemptOutcome) -> Result<(), LetGo> {
        match self.store_once(self.finished_fact(outcome.clone())).await? {
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

    /// Tells that the attempt runs. For those who watch: nothing depends on it, so nobody waits.
    pub(super) fn announce(&self, progress: &Progress) {
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
        drop(self.context.bus.publish_pipelined(self.fact("started", body)));
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
