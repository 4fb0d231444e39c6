//! Following the decisions of runs: which of them ended something, and the state to tell of it from.

use std::collections::{HashMap, VecDeque};

use tidemill_bus::{Bus, Stored, blob};
use tidemill_engine::{Change, Record, RunState};
use tidemill_messages::envelope::{BASE, SNAPSHOT};
use tidemill_messages::stream::RUNS;
use tidemill_messages::{decode, subject};
use tidemill_telemetry::span::Span;

use crate::{Error, runs};

/// Runs kept in memory; others are read from their log.
const RUNS_MAX: usize = 256;

/// The states of runs, as far as their decisions came.
pub(crate) struct Decisions {
    bus: Bus,
    known: HashMap<String, Known>,
    order: VecDeque<String>,
}

struct Known {
    state: RunState,
    /// Sequence of the last record that is in it.
    sequence: u64,
    number: u64,
}

impl Decisions {
    pub(crate) fn new(bus: Bus) -> Self {
        Self {
            bus,
            known: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// The spans of what a decision ended. The same decision gives the same spans, however much the run has
    /// gone on since.
    pub(crate) async fn spans(&mut self, stored: &Stored) -> Result<Vec<Span>, Error> {
        let Some(uid) = subject::run_uid_of(&stored.subject) else {
            return Ok(Vec::new());
        };
        let record = read(&self.bus, stored).await?;
        self.advance(&uid, stored, &record).await?;
        let Some(known) = self.known.get(&uid) else {
            // Purged meanwhile: nobody can ask for it any more.
            return Ok(Vec::new());
        };
        let mut spans = Vec::new();
        for change in &record.changes {
            match change {
                Change::Ended { task, attempt, .. } => spans.extend(runs::attempt(&known.state, task, *attempt)),
                Change::Over { .. } => spans.extend(runs::run(&known.state)),
                _ => {}
            }
        }
        if known.state.is_over() {
            self.known.remove(&uid);
            self.order.retain(|other| *other != uid);
        }
        Ok(spans)
    }

    /// Brings the run's state to this record, or beyond.
    async fn advance(&mut self, uid: &str, stored: &Stored, record: &Record) -> Result<(), Error> {
        if let Some(known) = self.known.get_mut(uid) {
            if known.sequence >= stored.sequence {
                return Ok(());
            }
            if known.number + 1 == record.number {
                return known.take(stored.sequence, record);
            }
        }
        if let Some(known) = load(&self.bus, uid)
            .await?
            .filter(|known| known.sequence >= stored.sequence)
        {
            self.keep(uid, known);
        }
        Ok(())
    }

    fn keep(&mut self, uid: &str, known: Known) {
        if self.known.insert(uid.to_owned(), known).is_none() {
            self.order.push_back(uid.to_owned());
        }
        while self.order.len() > RUNS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }
}

impl Known {
    fn take(&mut self, sequence: u64, record: &Record) -> Result<(), Error> {
        match &record.snapshot {
            Some(snapshot) => self.state = (**snapshot).clone(),
            None => {
                for change in &record.changes {
                    self.state.apply(change)?;
                }
            }
        }
        (self.sequence, self.number) = (sequence, record.number);
        Ok(())
    }
}

/// The run as its log has it now, from its last snapshot on.
async fn load(bus: &Bus, uid: &str) -> Result<Option<Known>, Error> {
    let subject = subject::decision(uid);
    let Some(last) = bus.last(RUNS, &subject).await? else {
        return Ok(None);
    };
    let base = match last.header(SNAPSHOT) {
        Some(_) => last.sequence,
        None => last.header(BASE).and_then(|base| base.parse().ok()).unwrap_or(0),
    };
    let mut known = Known {
        state: RunState::new(uid),
        sequence: 0,
        number: 0,
    };
    for stored in bus.read_all(RUNS, &subject, base.max(1), false).await? {
        let record = read(bus, &stored).await?;
        known.take(stored.sequence, &record)?;
    }
    Ok((known.sequence > 0).then_some(known))
}

async fn read(bus: &Bus, stored: &Stored) -> Result<Record, Error> {
    let payload = blob::payload(bus, stored).await?;
    Ok(decode(&stored.subject, &payload)?)
}
