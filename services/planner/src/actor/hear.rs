//! What inputs say, and whether they say it to a run that is there (P3).

use tidemill_bus::Stored;
use tidemill_engine::{Fact, RunObject};
use tidemill_messages::envelope::TRACEPARENT;
use tidemill_messages::stream::{FACTS, TIMERS};
use tidemill_objects::Key;
use tidemill_telemetry::{Chain, Traceparent};

use super::decide::FAULT_PAUSE;
use super::{Actor, Input};
use crate::Error;
use crate::facts::Meaning;
use crate::journal::Log;
use crate::keeper::Kept;

/// A fact that could not be read so often is dropped.
const DELIVERIES_MAX: u64 = 20;

/// What the inputs say, before anything is decided.
#[derive(Default)]
pub(super) struct Told {
    pub(super) facts: Vec<Telling>,
    pub(super) kept: Vec<Kept>,
    /// The run is being deleted and has no log: nothing but its remains is left.
    pub(super) remains: Option<Key>,
    pub(super) examine: bool,
    pub(super) traceparent: Option<Traceparent>,
}

pub(super) struct Telling {
    pub(super) fact: Fact,
    /// In stream `facts`; 0 = none.
    pub(super) sequence: u64,
}

impl Actor {
    /// Reads one input; what needs no decision is settled here.
    pub(super) async fn hear(&mut self, input: Input, told: &mut Told) -> Result<(), Error> {
        let now = self.planner.bus.now();
        match input {
            Input::Fact(kept) => {
                let stored = kept.delivery().message.clone();
                match self.planner.understand(&stored).await {
                    Ok(meaning) => {
                        told.kept.push(kept);
                        self.note(meaning, &stored, told).await?;
                    }
                    Err(Error::Stopping) => return Err(Error::Stopping),
                    Err(error) => unreadable(kept, &error).await,
                }
            }
            Input::Found(stored) => {
                // Its delivery, if it comes, is judged by itself.
                if let Ok(meaning) = self.planner.understand(&stored).await {
                    self.note(meaning, &stored, told).await?;
                }
            }
            Input::Due(kept) => {
                let message = &kept.delivery().message;
                if self.log.is_none() {
                    let (subject, sequence) = (&message.subject, message.sequence);
                    self.planner.purge_message(TIMERS, subject, sequence).await?;
                }
                told.add(Fact::Due { at: now }, 0);
                told.kept.push(kept);
            }
            Input::Examine => {
                told.examine = true;
                told.add(Fact::Due { at: now }, 0);
            }
        }
        Ok(())
    }

    /// Decides what to do with a fact, given whether the run has a log (P3).
    async fn note(&mut self, meaning: Meaning, stored: &Stored, told: &mut Told) -> Result<(), Error> {
        told.trace(stored);
        let at = self.planner.bus.now();
        match meaning {
            Meaning::Engine(fact) if self.log.is_some() => told.add(fact, stored.sequence),
            // The run is gone, or never was: nobody will answer this.
            Meaning::Engine(_) => {
                self.planner
                    .purge_message(FACTS, &stored.subject, stored.sequence)
                    .await?;
            }
            Meaning::Object { key, found, deleting } => {
                let starts = found.is_some() && !deleting;
                if self.log.is_none() && !starts {
                    told.remains = Some(key);
                    return Ok(());
                }
                let log = self.log.get_or_insert_with(|| Log::empty(&self.run_uid));
                let gone = found.is_none();
                // Whoever removed the finalizer removed the object with it: decide with what it was.
                let run: Option<RunObject> = found.or_else(|| log.state.run().cloned());
                if let Some(run) = run {
                    let deleting = deleting || gone;
                    told.add(Fact::RunObserved { at, run, deleting }, stored.sequence);
                }
            }
        }
        Ok(())
    }
}

impl Told {
    fn add(&mut self, fact: Fact, sequence: u64) {
        self.facts.push(Telling { fact, sequence });
    }

    fn trace(&mut self, stored: &Stored) {
        if self.traceparent.is_none()
            && let Some(parent) = stored.header(TRACEPARENT)
        {
            self.traceparent = Some(Traceparent::continued(Some(parent)));
        }
    }
}

/// Whose status a fact is about.
pub(super) fn task_of(fact: &Fact) -> Option<String> {
    match fact {
        Fact::AttemptStarted { task, .. } | Fact::AttemptFinished { task, .. } | Fact::AttemptReturned { task, .. } => {
            Some(task.clone())
        }
        _ => None,
    }
}

async fn unreadable(kept: Kept, error: &Error) {
    let delivery = kept.delivery();
    let (subject, sequence) = (delivery.message.subject.clone(), delivery.message.sequence);
    // A later Tidemill will read what this one is too old for.
    let hopeless = match error {
        Error::Payload(tidemill_messages::Error::TooNew { .. }) => false,
        Error::Payload(_) => true,
        _ => delivery.delivered >= DELIVERIES_MAX,
    };
    tracing::error!(subject, sequence, dropped = hopeless, error = %Chain(error), "A fact cannot be read.");
    if hopeless {
        kept.ack().await;
    } else {
        kept.retry_after(FAULT_PAUSE).await;
    }
}
