//! From inputs to a stored decision and its effects.

use std::time::Duration;

use tidemill_bus::Stored;
use tidemill_engine::{Fact, RunObject};
use tidemill_messages::envelope::TRACEPARENT;
use tidemill_messages::stream::{FACTS, RUNS, TIMERS};
use tidemill_messages::subject;
use tidemill_objects::Key;
use tidemill_telemetry::{Chain, Traceparent};

use super::{Actor, Input};
use crate::Error;
use crate::facts::Meaning;
use crate::journal::{Appended, Log};
use crate::keeper::Kept;
use crate::outbox::Outbox;
use crate::receipt::Receipt;
use crate::record::Record;

/// How often a decision is computed anew because another planner was first.
const DECISION_TRIES: u32 = 32;

/// How long what could not be handled stays away.
const FAULT_PAUSE: Duration = Duration::from_secs(10);

/// A fact that could not be read so often is dropped.
const DELIVERIES_MAX: u64 = 20;

/// What the inputs say, before anything is decided.
#[derive(Default)]
struct Told {
    facts: Vec<Telling>,
    kept: Vec<Kept>,
    /// The run is being deleted and has no log: nothing but its remains is left.
    remains: Option<Key>,
    examine: bool,
    traceparent: Option<Traceparent>,
}

struct Telling {
    fact: Fact,
    /// In stream `facts`; 0 = none.
    sequence: u64,
}

/// What was decided.
pub(super) struct Decided {
    pub(super) outbox: Outbox,
    /// Tasks of facts that were known (`None`: the run itself).
    pub(super) known: Vec<Option<String>>,
    pub(super) remains: Option<Key>,
    pub(super) examine: bool,
}

impl Actor {
    /// Takes the inputs as far as the next decision may follow; what is left are jobs beside it.
    pub(super) async fn handle(&mut self, inputs: Vec<Input>) {
        let mut told = Told::default();
        match self.answer(inputs, &mut told).await {
            Ok(decided) => {
                let receipt = Receipt::new(told.kept);
                self.follow(decided, receipt).await;
            }
            Err(Error::Stopping) => {}
            Err(error) => {
                tracing::error!(run = self.run_uid, error = %Chain(&error), "Facts cannot be handled; they come again.");
                self.log = None;
                for kept in told.kept {
                    kept.retry_after(FAULT_PAUSE).await;
                }
            }
        }
    }

    async fn answer(&mut self, inputs: Vec<Input>, told: &mut Told) -> Result<Decided, Error> {
        self.planner.pass("planner.fact-received").await;
        let mut outbox = self.ensure_log().await?;
        for input in inputs {
            self.hear(input, told).await?;
        }
        let known = match self.decide(told).await? {
            (Some(decided), known) => {
                outbox = merge(outbox, decided);
                known
            }
            (None, known) => known,
        };
        Ok(Decided {
            outbox,
            known,
            remains: told.remains.take(),
            examine: told.examine,
        })
    }

    /// Loads the log if it is not in memory. Whoever wrote the last record: its effects are done
    /// again before anything else is decided (P1).
    async fn ensure_log(&mut self) -> Result<Outbox, Error> {
        let planner = self.planner.clone();
        if let Some(log) = &self.log
            && (!log.state.is_deleting() || self.is_current(log.sequence).await?)
        {
            return Ok(Outbox::default());
        }
        self.log = None;
        let loaded = crate::retry::until_done(&planner.stopping, || Log::load(&planner.bus, &self.run_uid)).await?;
        let Some((log, last)) = loaded else {
            return Ok(Outbox::default());
        };
        let outbox = Outbox::of(&log.state, &last)?;
        planner.perform(&self.run_uid, &outbox).await?;
        self.log = Some(log);
        self.inherited = true;
        Ok(outbox)
    }

    /// Whether the log in memory is the whole log. A decision finds out by compare-and-set; what
    /// decides nothing has to ask.
    async fn is_current(&self, sequence: u64) -> Result<bool, Error> {
        let (bus, subject) = (&self.planner.bus, subject::decision(&self.run_uid));
        let last = crate::retry::until_done(&self.planner.stopping, || async { Ok(bus.last(RUNS, &subject).await?) });
        Ok(last.await?.map_or(0, |last| last.sequence) == sequence)
    }

    async fn hear(&mut self, input: Input, told: &mut Told) -> Result<(), Error> {
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

    /// Steps through what was told, stores one record for all of it, and performs its effects.
    /// Also gives what the known facts were about.
    async fn decide(&mut self, told: &Told) -> Result<(Option<Outbox>, Vec<Option<String>>), Error> {
        let planner = self.planner.clone();
        let mut before = None;
        for _ in 0..DECISION_TRIES {
            let Some(log) = &mut self.log else {
                return Ok((before, Vec::new()));
            };
            let (record, known) = step_all(log, told, &planner.limits);
            if record.changes.is_empty() && record.effects.is_empty() {
                let (sequence, number) = (log.sequence, log.number);
                if number == 0 {
                    self.log = None;
                } else if !self.is_current(sequence).await? {
                    self.log = None;
                    before = Some(self.ensure_log().await?);
                    continue;
                }
                return Ok((before, known));
            }
            let draft = log.draft(record)?;
            let outbox = Outbox::of(&log.state, &draft.record)?;
            planner.pass("planner.decision-computed").await;
            match log.append(&planner.bus, &draft, &planner.stopping).await? {
                Appended::Stored(_) => {
                    planner.pass("planner.decision-stored").await;
                    planner.perform(&self.run_uid, &outbox).await?;
                    planner.pass("planner.effects-published").await;
                    return Ok((Some(merge(before.unwrap_or_default(), outbox)), known));
                }
                Appended::Lost => {
                    tracing::debug!(run = self.run_uid, "Another planner decided first.");
                    self.log = None;
                    before = Some(self.ensure_log().await?);
                }
            }
        }
        Err(Error::Contended {
            run: self.run_uid.clone(),
            tries: DECISION_TRIES,
        })
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

/// Steps each fact; those that change nothing are known.
fn step_all(log: &mut Log, told: &Told, limits: &tidemill_engine::Limits) -> (Record, Vec<Option<String>>) {
    let traceparent = told.traceparent.unwrap_or_else(Traceparent::root);
    let mut record = Record::template(log.number + 1, traceparent.to_string());
    let mut known = Vec::new();
    for telling in &told.facts {
        match tidemill_engine::step(&mut log.state, &telling.fact, limits) {
            Ok(decision) if decision.is_empty() => known.push(task_of(&telling.fact)),
            Ok(decision) => {
                record.changes.extend(decision.changes);
                record.effects.extend(decision.effects);
                record.facts.extend((telling.sequence > 0).then_some(telling.sequence));
            }
            Err(error) => {
                tracing::warn!(sequence = telling.sequence, %error, "A fact fits nothing; it is dropped.");
            }
        }
    }
    (record, known)
}

/// Whose status a fact is about.
fn task_of(fact: &Fact) -> Option<String> {
    match fact {
        Fact::AttemptStarted { task, .. } | Fact::AttemptFinished { task, .. } | Fact::AttemptReturned { task, .. } => {
            Some(task.clone())
        }
        _ => None,
    }
}

/// The effects of the record found, then those of the one that followed.
fn merge(mut first: Outbox, second: Outbox) -> Outbox {
    first.resolves.extend(second.resolves);
    first.create_volumes.extend(second.create_volumes);
    first.remove_volumes.extend(second.remove_volumes);
    for (task, last) in second.projections {
        *first.projections.entry(task).or_default() |= last;
    }
    first.finish |= second.finish;
    first.traceparent = second.traceparent;
    first
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
