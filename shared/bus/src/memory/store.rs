//! One stream in memory: sequence, compare-and-set, limits, age, schedules.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tokio::time::Instant;

use super::durable::Durable;
use super::room::stored_size;
use super::schedule::fired;
use crate::{Error, Message, Stored, StreamSpec, StreamState, subject};

pub(super) struct Store {
    pub(super) spec: StreamSpec,
    pub(super) created: Timestamp,
    pub(super) last_sequence: u64,
    pub(super) durables: BTreeMap<String, Durable>,
    pub(super) messages: BTreeMap<u64, Stored>,
    pub(super) by_subject: BTreeMap<String, BTreeSet<u64>>,
    expiries: BTreeSet<(Instant, u64)>,
    pub(super) schedules: BTreeSet<(Instant, u64)>,
    pub(super) bytes: u64,
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
            reply: None,
        });
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

    fn insert(&mut self, stored: Stored) {
        self.bytes += stored_size(&stored);
        self.by_subject
            .entry(stored.subject.clone())
            .or_default()
            .insert(stored.sequence);
        self.messages.insert(stored.sequence, stored);
    }

    pub(super) fn remove(&mut self, sequence: u64) -> Option<Stored> {
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

pub(super) fn refused(what: &str, reason: &str, code: u64) -> Error {
    Error::Refused {
        what: format!("publish on `{what}`"),
        reason: reason.to_owned(),
        code,
    }
}
