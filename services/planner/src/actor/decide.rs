//! From inputs to a stored decision and its effects.

use std::time::Duration;

use tidemill_engine::Record;
use tidemill_messages::stream::RUNS;
use tidemill_messages::subject;
use tidemill_objects::Key;
use tidemill_telemetry::Chain;
use tidemill_telemetry::metrics::catalogue::DISPATCH;
use tokio::time::Instant;

use super::hear::{Told, task_of};
use super::{Actor, Input};
use crate::Error;
use crate::journal::{Appended, Log};
use crate::outbox::Outbox;
use crate::receipt::Receipt;
use crate::record;

/// How often a decision is computed anew because another planner was first.
const DECISION_TRIES: u32 = 32;

/// How long what could not be handled stays away.
pub(super) const FAULT_PAUSE: Duration = Duration::from_secs(10);

/// What was decided.
pub(super) struct Decided {
    pub(super) outbox: Outbox,
    /// Tasks of facts that were known (`None`: the run itself).
    pub(super) known: Vec<Option<String>>,
    pub(super) remains: Option<Key>,
    pub(super) examine: bool,
    /// Facts came of which the decision is stored; what shows it may not be.
    pub(super) confirmed: bool,
}

impl Actor {
    /// Takes the inputs as far as the next decision may follow; what is left are jobs beside it.
    pub(super) async fn handle(&mut self, inputs: Vec<Input>) {
        let mut told = Told::default();
        let begun = Instant::now();
        match self.answer(inputs, &mut told).await {
            Ok(decided) => {
                DISPATCH.plain().observe(begun.elapsed());
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
            confirmed: told.confirmed,
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

    /// Steps through what was told, stores one record for all of it, and performs its effects.
    /// Also gives what the known facts were about.
    async fn decide(&mut self, told: &Told) -> Result<(Option<Outbox>, Vec<Option<String>>), Error> {
        if told.facts.is_empty() && told.confirmed {
            return Ok((None, Vec::new()));
        }
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
                } else if !told.is_hearsay() && !self.is_current(sequence).await? {
                    self.log = None;
                    before = Some(self.ensure_log().await?);
                    continue;
                }
                return Ok((before, known));
            }
            let draft = log.draft(record)?;
            let outbox = Outbox::of(&log.state, &draft.record)?;
            planner.pass("planner.decision-computed").await;
            planner.announce(&outbox, &draft.record.id).await;
            match log.append(&planner.bus, &draft, &planner.stopping).await? {
                Appended::Stored(_) => {
                    planner.pass("planner.decision-stored").await;
                    planner.say_go(&outbox, &draft.record.id).await;
                    planner.pass("planner.go-said").await;
                    planner.perform(&self.run_uid, &outbox).await?;
                    planner.pass("planner.effects-published").await;
                    self.heard.extend(told.heard());
                    crate::metrics::count(&log.state, &draft.record.changes);
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

/// Steps each fact; those that change nothing are known.
fn step_all(log: &mut Log, told: &Told, limits: &tidemill_engine::Limits) -> (Record, Vec<Option<String>>) {
    let mut record = record::template(log.number + 1);
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
    record.traceparent = tidemill_engine::trace::run_context(&log.state).to_string();
    (record, known)
}

/// What is left of the effects of two records; the rest is performed.
fn merge(mut first: Outbox, second: Outbox) -> Outbox {
    first.resolves.extend(second.resolves);
    first.remove_volumes.extend(second.remove_volumes);
    for (task, last) in second.projections {
        *first.projections.entry(task).or_default() |= last;
    }
    first.finish |= second.finish;
    first.traceparent = second.traceparent;
    first
}
