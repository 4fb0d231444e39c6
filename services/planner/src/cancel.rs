//! Ending an attempt from outside (P2, R7): whoever ends it without its runner takes its claim.

use jiff::Timestamp;
use tidemill_bus::{Message, Stored};
use tidemill_messages::claim::Claim;
use tidemill_messages::envelope::{RUNNER, TRACEPARENT, VERSION};
use tidemill_messages::fact::{Fact, FactBody};
use tidemill_messages::outcome::{AttemptOutcome, Ending};
use tidemill_messages::stream::CLAIMS;
use tidemill_messages::{AttemptKey, CancelReason, CancelTask, decode, encode, subject};

use crate::planner::Planner;
use crate::retry;
use crate::{Error, retry::until_done};

/// How an attempt ends that the planner takes. Written into the claim, so that a planner that finds
/// it can finish what the one before began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Cancelled,
    TimedOut,
    Lost,
}

impl Verdict {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed-out",
            Self::Lost => "lost",
        }
    }

    /// What the planner's claim says.
    pub(crate) fn of(claim: &Claim) -> Self {
        match claim.incarnation.as_str() {
            "timed-out" => Self::TimedOut,
            "lost" => Self::Lost,
            _ => Self::Cancelled,
        }
    }

    fn ending(&self) -> Ending {
        match self {
            Self::Cancelled => Ending::Cancelled,
            Self::TimedOut => Ending::TimedOut,
            Self::Lost => Ending::Lost {
                message: "its runner has shown no life for too long, and no other took it over".to_owned(),
            },
        }
    }
}

impl From<CancelReason> for Verdict {
    fn from(reason: CancelReason) -> Self {
        match reason {
            CancelReason::Cancelled => Self::Cancelled,
            CancelReason::TimedOut => Self::TimedOut,
        }
    }
}

impl Planner {
    /// Ends an attempt: by its claim if nobody has it yet, else by telling the runner that has it.
    /// Returns when either is stored.
    pub(crate) async fn cancel(&self, key: &AttemptKey, reason: CancelReason, traceparent: &str) -> Result<(), Error> {
        let verdict = Verdict::from(reason);
        if self.take_claim(key, 0, &verdict, traceparent).await? {
            return self.finish_attempt(key, &verdict, traceparent).await;
        }
        match self.claim_of(key).await? {
            Some((_, claim)) if claim.runner == Claim::PLANNER => {
                self.finish_attempt(key, &Verdict::of(&claim), traceparent).await
            }
            // Purged with its run in between.
            None => Ok(()),
            Some(_) => {
                let subject = subject::cancel(key);
                let command = CancelTask {
                    version: VERSION,
                    reason,
                    at: self.bus.now(),
                };
                let message = Message::new(subject.clone(), encode(&subject, &command)?);
                self.publish_once(&message.header(TRACEPARENT, traceparent)).await
            }
        }
    }

    /// Takes a claim for the planner, in place of the one with sequence `expected`. `false`: somebody
    /// else's was first.
    pub(crate) async fn take_claim(
        &self,
        key: &AttemptKey,
        expected: u64,
        verdict: &Verdict,
        traceparent: &str,
    ) -> Result<bool, Error> {
        let subject = subject::claim(key);
        let claim = Claim {
            version: VERSION,
            runner: Claim::PLANNER.to_owned(),
            incarnation: verdict.as_str().to_owned(),
            class: String::new(),
            command_sequence: 0,
            command_subject: String::new(),
            boot_id: String::new(),
        };
        let message = Message::new(subject.clone(), encode(&subject, &claim)?)
            .header(TRACEPARENT, traceparent)
            .header(RUNNER, format!("{}/{}", claim.runner, claim.incarnation))
            .expecting(expected);
        retry::publish(&self.bus, message, &self.stopping).await
    }

    /// Says how an attempt ended that the planner holds. The first such fact is the result.
    pub(crate) async fn finish_attempt(
        &self,
        key: &AttemptKey,
        verdict: &Verdict,
        traceparent: &str,
    ) -> Result<(), Error> {
        let now = self.bus.now();
        let subject = subject::attempt_fact(key, "finished");
        let fact = finished(key, verdict, now);
        let message = Message::new(subject.clone(), encode(&subject, &fact)?);
        self.publish_once(&message.header(TRACEPARENT, traceparent)).await
    }

    /// The newest claim of an attempt.
    pub(crate) async fn claim_of(&self, key: &AttemptKey) -> Result<Option<(Stored, Claim)>, Error> {
        let subject = subject::claim(key);
        let stored = until_done(&self.stopping, || async { Ok(self.bus.last(CLAIMS, &subject).await?) }).await?;
        stored
            .map(|stored| Ok((decode(&subject, &stored.payload)?, stored)))
            .transpose()
            .map(|found| found.map(|(claim, stored)| (stored, claim)))
    }
}

fn finished(key: &AttemptKey, verdict: &Verdict, now: Timestamp) -> Fact {
    Fact {
        version: VERSION,
        at: now,
        body: FactBody::AttemptFinished {
            task: key.task.clone(),
            attempt: key.attempt,
            outcome: AttemptOutcome {
                ending: verdict.ending(),
                pod_name: String::new(),
                started_at: None,
                completed_at: now,
                steps: Vec::new(),
                step_times_us: Vec::new(),
                sidecars: Vec::new(),
                results: Vec::new(),
            },
        },
    }
}
