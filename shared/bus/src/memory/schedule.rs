//! Timers of a stream in memory.

use jiff::Timestamp;
use tokio::time::Instant;

use super::store::{Store, refused};
use crate::{Error, Message, Stored};

/// When and where a scheduled message goes.
pub(super) struct Schedule {
    pub(super) due: Instant,
    pub(super) target: String,
}

impl Store {
    /// Stores a schedule in place of the one before on its subject.
    pub(super) fn schedule(
        &mut self,
        mut message: Message,
        schedule: Schedule,
        now: Instant,
        time: Timestamp,
    ) -> Result<u64, Error> {
        if !self.spec.schedules {
            return Err(refused(&message.subject, "message schedules is disabled", 10188));
        }
        if !self.covers(&schedule.target) {
            return Err(refused(&message.subject, "message schedules target is invalid", 10190));
        }
        let literal = message.subject.clone();
        message
            .headers
            .push(("Nats-Schedule-Target".to_owned(), schedule.target));
        let sequence = self.append(message, now, time)?;
        self.purge(&literal, Some(sequence));
        self.schedules.insert((schedule.due, sequence));
        Ok(sequence)
    }

    pub(super) fn next_schedule(&self) -> Option<Instant> {
        self.schedules.first().map(|&(due, _)| due)
    }
}

pub(super) fn fired(schedule: Stored) -> Message {
    let target = schedule.header("Nats-Schedule-Target").unwrap_or_default().to_owned();
    let mut message = Message::new(target, schedule.payload);
    message.headers = schedule
        .headers
        .into_iter()
        .filter(|(name, _)| !name.starts_with("Nats-Schedule"))
        .collect();
    message.headers.push(("Nats-Scheduler".to_owned(), schedule.subject));
    message
        .headers
        .push(("Nats-Schedule-Next".to_owned(), "purge".to_owned()));
    message
}
