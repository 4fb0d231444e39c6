//! One stream in memory: sequence, compare-and-set, limits, age, schedules.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tokio::time::Instant;

use super::durable::Durable;
use crate::{Discard, Error, Headers, Message, Stored, StreamSpec, StreamState, subject};

/// What the server's file store adds to each message.
const RECORD_BYTES: u64 = 30;

pub(super) struct Store {
    pub(super) spec: StreamSpec,
    pub(super) created: Timestamp,
    pub(super) last_sequence: u64,
    pub(super) durables: BTreeMap<String, Durable>,
    messages: BTreeMap<u64, Stored>,
    by_subject: BTreeMap<String, BTreeSet<u64>>,
    expiries: BTreeSet<(Instant, u64)>,
    schedules: BTreeSet<(Instant, u64)>,
    bytes: u64,
}

/// When and where a scheduled message goes.
pub(super) struct Schedule {
    pub(super) due: Instant,
    pub(super) target: String,
}

impl Store {
    pub(super) fn new(spec: StreamSpec, created: Timestamp) -> Self {
        Self {
            spec,
            created,
            last_sequence: 0,
            durables: BTreeMap::new(),
            messages: BTreeMap::new(),
            by_subject: BTreeMap::new(),
            expiries: BTreeSet::new(),
            schedules: BTreeSet::new(),
            bytes: 0,
        }
    }

    pub(super) fn covers(&self, literal: &str) -> bool {
        self.spec
            .subjects
            .iter()
            .any(|filter| subject::matches(filter, literal))
    }

    /// Stores `message`, or says why not.
    pub(super) fn append(&mut self, message: Message, now: Instant, time: Timestamp) -> Result<u64, Error> {
        if let Some(expected) = message.expected_last
            && self.last_of(&message.subject) != expected
        {
            return Err(Error::Conflict {
                subject: message.subject,
                expected,
            });
        }
        if message.ttl.is_some() && !self.spec.message_ttl {
            return Err(refused(&message.subject, "per-message TTL is disabled", 10166));
        }
        self.make_room(&message)?;
        self.last_sequence += 1;
        let sequence = self.last_sequence;
        let age = [message.ttl.map(crate::message::ttl_seconds), self.spec.max_age]
            .into_iter()
            .flatten()
            .min();
        if let Some(age) = age {
            self.expiries.insert((now + age, sequence));
        }
        self.insert(Stored {
            subject: message.subject,
            sequence,
            time,
            headers: message.headers,
            payload: message.payload,
        });
        Ok(sequence)
    }

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

    /// Removes what is too old and turns schedules that are due into messages.
    pub(super) fn advance(&mut self, now: Instant, time: Timestamp) -> bool {
        let mut changed = false;
        while let Some(&(due, sequence)) = self.expiries.first()
            && due <= now
        {
            self.expiries.pop_first();
            changed |= self.remove(sequence).is_some();
        }
        while let Some(&(due, sequence)) = self.schedules.first()
            && due <= now
        {
            self.schedules.pop_first();
            let Some(stored) = self.remove(sequence) else { continue };
            changed = true;
            let fired = fired(stored);
            // A full stream swallows the timer, as the server's does.
            drop(self.append(fired, now, time));
        }
        changed
    }

    pub(super) fn next_schedule(&self) -> Option<Instant> {
        self.schedules.first().map(|&(due, _)| due)
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&Stored> {
        self.messages.get(&sequence)
    }

    /// The last message under `filter`.
    pub(super) fn last(&self, filter: &str) -> Option<&Stored> {
        if !subject::has_wildcard(filter) {
            return self.messages.get(self.by_subject.get(filter)?.last()?);
        }
        self.messages
            .values()
            .rev()
            .find(|stored| subject::matches(filter, &stored.subject))
    }

    /// The first message from `from` on under any of `filters` (none = all).
    pub(super) fn first_from(&self, from: u64, filters: &[String]) -> Option<&Stored> {
        if let [filter] = filters
            && !subject::has_wildcard(filter)
        {
            return self.messages.get(self.by_subject.get(filter)?.range(from..).next()?);
        }
        let wanted = |stored: &&Stored| {
            filters.is_empty() || filters.iter().any(|filter| subject::matches(filter, &stored.subject))
        };
        self.messages.range(from..).map(|(_, stored)| stored).find(wanted)
    }

    pub(super) fn purge(&mut self, filter: &str, before: Option<u64>) -> u64 {
        let before = before.unwrap_or(u64::MAX);
        let doomed: Vec<u64> = if subject::has_wildcard(filter) {
            let below = self.messages.range(..before);
            below
                .filter(|(_, stored)| subject::matches(filter, &stored.subject))
                .map(|(&sequence, _)| sequence)
                .collect()
        } else {
            self.by_subject
                .get(filter)
                .map(|all| all.range(..before).copied().collect())
                .unwrap_or_default()
        };
        for sequence in &doomed {
            self.remove(*sequence);
        }
        doomed.len() as u64
    }

    pub(super) fn state(&self) -> StreamState {
        StreamState {
            messages: self.messages.len() as u64,
            bytes: self.bytes,
            first_sequence: self.messages.keys().next().copied().unwrap_or(self.last_sequence + 1),
            last_sequence: self.last_sequence,
            created: self.created,
        }
    }

    fn last_of(&self, literal: &str) -> u64 {
        self.by_subject
            .get(literal)
            .and_then(BTreeSet::last)
            .copied()
            .unwrap_or(0)
    }

    fn make_room(&mut self, message: &Message) -> Result<(), Error> {
        let size = size(&message.subject, &message.headers, message.payload.len());
        let replaced = self.replaced(&message.subject);
        let limit = self.spec.max_bytes;
        if self.spec.discard == Discard::New && self.bytes + size > limit {
            let smaller_replaced = replaced
                .and_then(|sequence| self.messages.get(&sequence))
                .is_some_and(|stored| stored_size(stored) >= size);
            if !smaller_replaced {
                return Err(Error::Full {
                    subject: message.subject.clone(),
                    limit: "maximum bytes exceeded".to_owned(),
                });
            }
        }
        if let Some(sequence) = replaced {
            self.remove(sequence);
        }
        while self.bytes + size > limit
            && let Some(&oldest) = self.messages.keys().next()
        {
            self.remove(oldest);
        }
        Ok(())
    }

    /// The message that goes when one more comes on `literal`.
    fn replaced(&self, literal: &str) -> Option<u64> {
        let all = self.by_subject.get(literal)?;
        let limit = self.spec.max_messages_per_subject;
        if limit > 0 && all.len() as u64 >= limit {
            all.first().copied()
        } else {
            None
        }
    }

    fn insert(&mut self, stored: Stored) {
        self.bytes += stored_size(&stored);
        self.by_subject
            .entry(stored.subject.clone())
            .or_default()
            .insert(stored.sequence);
        self.messages.insert(stored.sequence, stored);
    }

    fn remove(&mut self, sequence: u64) -> Option<Stored> {
        let stored = self.messages.remove(&sequence)?;
        self.bytes -= stored_size(&stored);
        if let Some(all) = self.by_subject.get_mut(&stored.subject) {
            all.remove(&sequence);
            if all.is_empty() {
                self.by_subject.remove(&stored.subject);
            }
        }
        Some(stored)
    }
}

fn fired(schedule: Stored) -> Message {
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

fn refused(what: &str, reason: &str, code: u64) -> Error {
    Error::Refused {
        what: format!("publish on `{what}`"),
        reason: reason.to_owned(),
        code,
    }
}

fn stored_size(stored: &Stored) -> u64 {
    size(&stored.subject, &stored.headers, stored.payload.len())
}

fn size(subject: &str, headers: &Headers, payload: usize) -> u64 {
    let headers: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    RECORD_BYTES + (subject.len() + headers + payload) as u64
}
