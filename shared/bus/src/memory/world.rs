//! Everything the connections of one in-memory bus share.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Faults;
use super::durable::Durable;
use super::faults::Dice;
use super::schedule::Schedule;
use super::store::Store;
use crate::{ConsumerSpec, Discard, Error, Message, Stored, StreamSpec, subject};

/// Hints that wait for a slow subscriber; further ones are dropped, as core NATS does.
pub(super) const MAX_WAITING_HINTS: usize = 16_384;

pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) streams: BTreeMap<String, Store>,
    origin: (Instant, Timestamp),
    routes: Vec<Route>,
    next_id: u64,
}

/// One core subscription.
struct Route {
    id: u64,
    filter: String,
    queue: Option<String>,
    sender: mpsc::Sender<Stored>,
}

impl World {
    pub(super) fn new(faults: Faults) -> Self {
        Self {
            dice: Dice::new(faults),
            streams: BTreeMap::new(),
            origin: (Instant::now(), Timestamp::now()),
            routes: Vec::new(),
            next_id: 0,
        }
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The wall clock, moved by tokio's.
    pub(super) fn time(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.origin.0.elapsed()).unwrap_or(SignedDuration::MAX);
        self.origin.1.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// Expires and fires what is due in every stream; tells whether anything changed.
    pub(super) fn advance(&mut self) -> bool {
        let (now, time) = (Instant::now(), self.time());
        let mut changed = false;
        for store in self.streams.values_mut() {
            changed |= store.advance(now, time);
        }
        changed
    }

    /// When the next schedule of any stream fires.
    pub(super) fn next_schedule(&self) -> Option<Instant> {
        self.streams.values().filter_map(Store::next_schedule).min()
    }

    pub(super) fn ensure_stream(&mut self, mut spec: StreamSpec) -> Result<(), Error> {
        if spec.schedules {
            spec.discard = Discard::Old;
        }
        let taken = |store: &&Store| {
            let overlapping = |filter: &String| spec.subjects.iter().any(|other| overlap(filter, other));
            store.spec.name != spec.name && store.spec.subjects.iter().any(overlapping)
        };
        if let Some(other) = self.streams.values().find(taken) {
            return Err(Error::Refused {
                what: format!("stream `{}`", spec.name),
                reason: format!("subjects overlap with stream `{}`", other.spec.name),
                code: 10065,
            });
        }
        let time = self.time();
        match self.streams.get_mut(&spec.name) {
            Some(store) => store.spec = spec,
            None => {
                self.streams.insert(spec.name.clone(), Store::new(spec, time));
            }
        }
        Ok(())
    }

    pub(super) fn ensure_consumer(&mut self, spec: ConsumerSpec) -> Result<(), Error> {
        let store = self.store(&spec.stream)?;
        let last_sequence = store.last_sequence;
        match store.durables.get_mut(&spec.name) {
            Some(durable) if durable.spec.from_start != spec.from_start => Err(Error::Refused {
                what: format!("consumer `{}`", spec.name),
                reason: "deliver policy can not be updated".to_owned(),
                code: 10012,
            }),
            Some(durable) => {
                durable.spec = spec;
                Ok(())
            }
            None => {
                store
                    .durables
                    .insert(spec.name.clone(), Durable::new(spec, last_sequence));
                Ok(())
            }
        }
    }

    pub(super) fn store(&mut self, name: &str) -> Result<&mut Store, Error> {
        self.advance();
        self.streams.get_mut(name).ok_or_else(|| missing("stream", name))
    }

    /// The durable consumer with its stream's messages and the dice.
    pub(super) fn with_durable<T>(
        &mut self,
        stream: &str,
        name: &str,
        act: impl FnOnce(&mut Durable, &Store, &mut Dice) -> T,
    ) -> Result<T, Error> {
        self.advance();
        let store = self.streams.get_mut(stream).ok_or_else(|| missing("stream", stream))?;
        let mut durable = store.durables.remove(name).ok_or_else(|| missing("consumer", name))?;
        let outcome = act(&mut durable, store, &mut self.dice);
        store.durables.insert(name.to_owned(), durable);
        Ok(outcome)
    }

    /// Stores `message` (as a schedule where one is given) and passes it to core subscribers.
    pub(super) fn append(&mut self, mut message: Message, schedule: Option<(String, Timestamp)>) -> Result<u64, Error> {
        self.advance();
        message.headers.sort_by(|one, other| one.0.cmp(&other.0));
        let (now, time) = (Instant::now(), self.time());
        self.route(&message, time);
        let covering = self.streams.values_mut().find(|store| store.covers(&message.subject));
        let store = covering.ok_or_else(|| missing("stream", &message.subject))?;
        let Some((target, at)) = schedule else {
            return store.append(message, now, time);
        };
        let ahead = std::time::Duration::try_from(at.duration_since(time)).unwrap_or_default();
        let due = now + ahead;
        store.schedule(message, Schedule { due, target }, now, time)
    }

    pub(super) fn subscribe(&mut self, filter: String, queue: Option<String>) -> mpsc::Receiver<Stored> {
        let (sender, receiver) = mpsc::channel(MAX_WAITING_HINTS);
        let id = self.next_id();
        self.routes.push(Route {
            id,
            filter,
            queue,
            sender,
        });
        receiver
    }

    /// Passes a core message on: to every plain subscriber, and to one of each queue group.
    pub(super) fn route(&mut self, message: &Message, time: Timestamp) {
        self.routes.retain(|route| !route.sender.is_closed());
        let hint = Stored {
            subject: message.subject.clone(),
            sequence: 0,
            time,
            headers: message.headers.clone(),
            payload: message.payload.clone(),
            reply: None,
        };
        let mut chosen: BTreeMap<&str, &Route> = BTreeMap::new();
        for route in self
            .routes
            .iter()
            .filter(|route| subject::matches(&route.filter, &message.subject))
        {
            match &route.queue {
                None => drop(route.sender.try_send(hint.clone())),
                Some(queue) => {
                    let member = chosen.entry(queue).or_insert(route);
                    let turn = |route: &Route| (route.sender.max_capacity() - route.sender.capacity(), route.id);
                    if turn(route) < turn(member) {
                        *member = route;
                    }
                }
            }
        }
        for route in chosen.values() {
            drop(route.sender.try_send(hint.clone()));
        }
    }
}

pub(super) fn missing(what: &'static str, name: &str) -> Error {
    Error::Missing {
        what,
        name: name.to_owned(),
    }
}

/// Whether some literal subject is covered by both filters.
fn overlap(one: &str, other: &str) -> bool {
    let (mut left, mut right) = (one.split('.'), other.split('.'));
    loop {
        match (left.next(), right.next()) {
            (Some(">"), Some(_)) | (Some(_), Some(">")) | (None, None) => return true,
            (Some("*"), Some(_)) | (Some(_), Some("*")) => {}
            (Some(token), Some(twin)) if token == twin => {}
            _ => return false,
        }
    }
}
