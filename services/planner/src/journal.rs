//! A run's decision log: loading and appending.

use tidemill_bus::{Bus, Message, Retry, Stored, blob};
use tidemill_engine::RunState;
use tidemill_messages::envelope::DECISION_ID;
use tidemill_messages::stream::RUNS;
use tidemill_messages::subject;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::record::{self, Head};
use crate::retry::Pause;
use tidemill_engine::Record;

/// Smaller logs are replayed as they are, without a snapshot.
const SNAPSHOT_BYTES_MIN: usize = 16 * 1024;

/// The state of a run and where its log stands.
pub(crate) struct Log {
    pub(crate) state: RunState,
    /// Sequence of the last record.
    pub(crate) sequence: u64,
    /// Number of the last record.
    pub(crate) number: u64,
    base: u64,
    bytes_since_base: usize,
    base_bytes: usize,
}

/// What became of an append.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It is the run's last decision.
    Stored(u64),
    /// Another planner was first: load again, decide anew.
    Lost,
}

/// A record ready to be appended.
pub(crate) struct Draft {
    pub(crate) record: Record,
    message: Message,
    bytes: usize,
}

impl Log {
    /// The log of a run of which nothing was decided yet.
    pub(crate) fn empty(run_uid: &str) -> Self {
        Self {
            state: RunState::new(run_uid.to_owned()),
            sequence: 0,
            number: 0,
            base: 0,
            bytes_since_base: 0,
            base_bytes: 0,
        }
    }

    /// Reads the log from its last snapshot on, with the last record; `None` if there is no log.
    pub(crate) async fn load(bus: &Bus, run_uid: &str) -> Result<Option<(Self, Record)>, Error> {
        let subject = subject::decision(run_uid);
        let Some(last) = bus.last(RUNS, &subject).await? else {
            return Ok(None);
        };
        let from = Head::of(&last).base.max(1);
        let records = if from == last.sequence {
            vec![last]
        } else {
            bus.read_all(RUNS, &subject, from, false).await?
        };
        let mut log = Self::empty(run_uid);
        let mut newest = None;
        for stored in &records {
            newest = Some(log.replay(bus, stored).await?);
        }
        // Purged between the two reads: the run is gone.
        Ok(newest.map(|record| (log, record)))
    }

    async fn replay(&mut self, bus: &Bus, stored: &Stored) -> Result<Record, Error> {
        let (mut record, bytes) = record::read(bus, stored).await?;
        match record.snapshot.take() {
            Some(snapshot) => self.state = *snapshot,
            None => {
                for change in &record.changes {
                    self.state.apply(change)?;
                }
            }
        }
        self.advance(stored.sequence, record.number, Head::of(stored).base, bytes);
        Ok(record)
    }

    /// Puts together the next record; `record`'s changes are applied to the state already.
    pub(crate) fn draft(&self, mut record: Record) -> Result<Draft, Error> {
        if self.bytes_since_base > self.base_bytes.max(SNAPSHOT_BYTES_MIN) {
            record.snapshot = Some(Box::new(self.state.clone()));
        }
        let message = record::message(&record, self.state.uid(), self.base, self.state.is_over())?;
        Ok(Draft {
            bytes: message.payload.len(),
            message: message.expecting(self.sequence),
            record,
        })
    }

    /// Stores the draft as the run's next decision, by compare-and-set.
    pub(crate) async fn append(
        &mut self,
        bus: &Bus,
        draft: &Draft,
        stopping: &CancellationToken,
    ) -> Result<Appended, Error> {
        let message = blob::attach(bus, draft.message.clone()).await?;
        let outcome = store(bus, message, &draft.record.id, stopping).await?;
        if let Appended::Stored(sequence) = outcome {
            let base = if draft.record.snapshot.is_some() {
                sequence
            } else {
                self.base
            };
            self.advance(sequence, draft.record.number, base, draft.bytes);
        }
        Ok(outcome)
    }

    fn advance(&mut self, sequence: u64, number: u64, base: u64, bytes: usize) {
        (self.sequence, self.number) = (sequence, number);
        // The first record holds the run as it was asked for: a snapshot in all but name.
        if base == sequence || number == 1 {
            (self.bytes_since_base, self.base_bytes) = (0, bytes);
        } else {
            self.bytes_since_base += bytes;
        }
        self.base = base;
    }
}

/// Publishes until it is known whose decision is the last one: ours or another's.
async fn store(bus: &Bus, message: Message, id: &str, stopping: &CancellationToken) -> Result<Appended, Error> {
    let mut pause = Pause::default();
    let expected = message.expected_last.unwrap_or(0);
    let mut outcome = bus.publish(message.clone()).await;
    loop {
        match outcome {
            Ok(sequence) => return Ok(Appended::Stored(sequence)),
            Err(error) if error.retry() == Retry::Never => return Err(error.into()),
            Err(error) if error.is_conflict() => {}
            Err(_) => pause.wait(stopping).await?,
        }
        outcome = match bus.last(RUNS, &message.subject).await {
            Ok(Some(last)) if last.header(DECISION_ID) == Some(id) => Ok(last.sequence),
            Ok(last) if last.as_ref().map_or(0, |last| last.sequence) != expected => return Ok(Appended::Lost),
            // Not stored, or not yet: trying again with the same expectation stores it once.
            Ok(_) => bus.publish(message.clone()).await,
            Err(error) => Err(error),
        };
    }
}
