//! What inputs say, and whether they say it to a run that is there (P3).

use tidemill_bus::Stored;
use tidemill_engine::{Fact, RunObject};
use tidemill_messages::stream::{FACTS, TIMERS};
use tidemill_objects::Key;
use tidemill_telemetry::Chain;

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
    /// A fact came that was decided on when it was heard: it is done with that decision.
    pub(super) confirmed: bool,
}

pub(super) struct Telling {
    pub(super) fact: Fact,
    /// In stream `facts`; 0 = none.
    pub(super) sequence: u64,
    /// It is not stored yet, as far as is known.
    pub(super) is_heard: bool,
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
            Input::Heard(hint) => {
                if let Ok(Meaning::Engine(fact)) = self.planner.understand(&hint).await
                    && self.log.is_some()
                    && ended_of(&fact).is_some()
                {
                    told.hear(fact);
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
        let at = self.planner.bus.now();
        match meaning {
            Meaning::Engine(fact) if ended_of(&fact).is_some_and(|attempt| self.heard.remove(&attempt)) => {
                told.confirmed = true;
            }
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
        self.facts.push(Telling {
            fact,
            sequence,
            is_heard: false,
        });
    }

    fn hear(&mut self, fact: Fact) {
        self.facts.push(Telling {
            fact,
            sequence: 0,
            is_heard: true,
        });
    }

    /// Nothing of it is lost when it is dropped: all of it comes again.
    pub(super) fn is_hearsay(&self) -> bool {
        self.facts.iter().all(|telling| telling.is_heard)
    }

    /// Attempts whose end was heard.
    pub(super) fn heard(&self) -> impl Iterator<Item = (String, u32)> {
        let heard = self.facts.iter().filter(|telling| telling.is_heard);
        heard.filter_map(|telling| ended_of(&telling.fact))
    }
}

/// Task and number of the attempt whose end a fact tells.
fn ended_of(fact: &Fact) -> Option<(String, u32)> {
    match fact {
        Fact::AttemptFinished { task, attempt, .. } => Some((task.clone(), *attempt)),
        _ => None,
    }
}

/// Whose status a fact is about.
pub(super) fn task_of(fact: &Fact) -> Option<String> {
    match fact {
        Fact::AttemptStarted { task, .. }
        | Fact::AttemptFinished { task, .. }
        | Fact::AttemptWaits { task, .. }
        | Fact::AttemptReturned { task, .. } => Some(task.clone()),
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
