//! One durable consumer in memory: what is under way, what comes again, who is pinned.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::faults::Dice;
use super::store::Store;
use crate::{ConsumerSpec, Stored};

/// A durable consumer's position.
pub(super) struct Durable {
    pub(super) spec: ConsumerSpec,
    next: u64,
    pending: BTreeMap<u64, Pending>,
    pin: Option<Pin>,
}

struct Pending {
    delivered: u64,
    due: Instant,
}

struct Pin {
    client: u64,
    waiting: bool,
    last_pull: Instant,
}

/// What an acknowledgement says.
#[derive(Clone, Copy)]
pub(super) enum Verdict {
    Done,
    Again(Duration),
    InProgress,
    Never,
}

impl Durable {
    pub(super) fn new(spec: ConsumerSpec, last_sequence: u64) -> Self {
        let next = if spec.from_start { 1 } else { last_sequence + 1 };
        Self {
            spec,
            next,
            pending: BTreeMap::new(),
            pin: None,
        }
    }

    /// Hands out at most `limit` messages: first those that are due again, then new ones.
    pub(super) fn take(&mut self, store: &Store, limit: usize, now: Instant, dice: &mut Dice) -> Vec<(Stored, u64)> {
        let mut batch = self.take_due(store, limit, now);
        while batch.len() < limit && (self.pending.len() as u64) < self.spec.max_ack_pending {
            let Some(stored) = store.first_from(self.next, &self.spec.filters) else {
                self.next = store.last_sequence + 1;
                break;
            };
            self.next = stored.sequence + 1;
            let due = now + self.spec.ack_wait;
            self.pending.insert(stored.sequence, Pending { delivered: 1, due });
            batch.push((stored.clone(), 1));
        }
        self.spoil(&mut batch, limit, now, dice);
        batch
    }

    /// When something is due again.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.pending.values().map(|pending| pending.due).min()
    }

    pub(super) fn settle(&mut self, sequence: u64, verdict: Verdict, now: Instant) {
        let Some(pending) = self.pending.get_mut(&sequence) else {
            return;
        };
        match verdict {
            Verdict::Done | Verdict::Never => {
                self.pending.remove(&sequence);
            }
            Verdict::Again(delay) => pending.due = now + delay,
            Verdict::InProgress => pending.due = now + self.spec.ack_wait,
        }
    }

    /// Goes back to the first unacknowledged message, as the server's RESET does: what was
    /// acknowledged behind it comes again too.
    pub(super) fn reset(&mut self) {
        if let Some((&first, _)) = self.pending.first_key_value() {
            self.next = first;
        }
        self.pending.clear();
        self.pin = None;
    }

    /// Takes the pin for `client` when it is free. `Err` says when to try again; `Err(None)`: when
    /// something changes.
    pub(super) fn claim_pin(&mut self, client: u64, now: Instant) -> Result<(), Option<Instant>> {
        let Some(timeout) = self.spec.pinned else { return Ok(()) };
        if let Some(pin) = &self.pin
            && pin.client != client
        {
            let free_at = pin.last_pull + timeout;
            if pin.waiting {
                return Err(None);
            }
            if now < free_at {
                return Err(Some(free_at));
            }
        }
        self.pin = Some(Pin {
            client,
            waiting: true,
            last_pull: now,
        });
        Ok(())
    }

    /// `client` waits no longer (its pull was answered or given up); tells whether it was waiting.
    pub(super) fn rest(&mut self, client: u64, now: Instant) -> bool {
        let Some(pin) = self.pin.as_mut().filter(|pin| pin.client == client && pin.waiting) else {
            return false;
        };
        pin.waiting = false;
        pin.last_pull = now;
        true
    }

    pub(super) fn unpin(&mut self, client: u64) {
        if self.pin.as_ref().is_some_and(|pin| pin.client == client) {
            self.pin = None;
        }
    }

    fn take_due(&mut self, store: &Store, limit: usize, now: Instant) -> Vec<(Stored, u64)> {
        let ack_wait = self.spec.ack_wait;
        let mut batch = Vec::new();
        self.pending.retain(|&sequence, pending| {
            let Some(stored) = store.get(sequence) else {
                return false;
            };
            if pending.due <= now && batch.len() < limit {
                pending.delivered += 1;
                pending.due = now + ack_wait;
                batch.push((stored.clone(), pending.delivered));
            }
            true
        });
        batch
    }

    fn spoil(&mut self, batch: &mut Vec<(Stored, u64)>, limit: usize, now: Instant, dice: &mut Dice) {
        for index in 0..batch.len() {
            if dice.strikes(|faults| faults.redelivered)
                && let Some(pending) = self.pending.get_mut(&batch[index].0.sequence)
            {
                pending.due = now;
            }
            if batch.len() < limit && dice.strikes(|faults| faults.duplicated) {
                let (stored, delivered) = batch[index].clone();
                batch.push((stored, delivered + 1));
            }
        }
        if batch.len() > 1 && dice.strikes(|faults| faults.reordered) {
            dice.shuffle(batch);
        }
    }
}
