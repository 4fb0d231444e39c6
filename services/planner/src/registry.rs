//! The runs in memory: one actor each, the least recently used make room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::actor::{Actor, Input};
use crate::planner::Planner;

/// Inputs waiting for one run; what comes beyond is sent back and comes again.
const INBOX_MAX: usize = 2048;

/// The actors of all runs in memory.
pub(crate) struct Registry {
    capacity: usize,
    tracker: TaskTracker,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    runs: HashMap<String, Slot>,
    clock: u64,
    closed: bool,
}

struct Slot {
    inbox: mpsc::Sender<Input>,
    used: u64,
}

impl Registry {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            tracker: TaskTracker::new(),
            inner: Mutex::default(),
        }
    }

    /// Hands `input` to the run's actor, which is started if there is none. Gives it back when the
    /// actor has too much to do, or the planner is closing.
    pub(crate) fn send(&self, planner: &Arc<Planner>, run_uid: &str, input: Input) -> Result<(), Input> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(input);
        }
        inner.clock += 1;
        let used = inner.clock;
        if let Some(slot) = inner.runs.get_mut(run_uid) {
            slot.used = used;
            return slot
                .inbox
                .try_send(input)
                .map_err(mpsc::error::TrySendError::into_inner);
        }
        if inner.runs.len() >= self.capacity {
            inner.evict();
        }
        let (inbox, outbox) = mpsc::channel(INBOX_MAX);
        let sent = inbox.try_send(input).map_err(mpsc::error::TrySendError::into_inner);
        inner.runs.insert(run_uid.to_owned(), Slot { inbox, used });
        let actor = Actor::new(planner.clone(), run_uid.to_owned());
        self.tracker.spawn(actor.run(outbox));
        sent
    }

    /// Hands `input` to the run's actor if there is one that has room.
    pub(crate) fn nudge(&self, run_uid: &str, input: Input) {
        let inner = self.lock();
        if let Some(slot) = inner.runs.get(run_uid) {
            drop(slot.inbox.try_send(input));
        }
    }

    /// Forgets the run of this inbox unless something waits in it. `true`: its actor may end.
    pub(crate) fn retire(&self, run_uid: &str, inbox: &mpsc::Receiver<Input>) -> bool {
        let mut inner = self.lock();
        if !inbox.is_empty() {
            return false;
        }
        // After an eviction the slot may be another actor's: ours is closed then.
        if !inbox.is_closed() {
            inner.runs.remove(run_uid);
        }
        true
    }

    /// Takes nothing more, and waits until all actors have done what they had taken.
    pub(crate) async fn drain(&self) {
        {
            let mut inner = self.lock();
            inner.closed = true;
            inner.runs.clear();
        }
        self.tracker.close();
        self.tracker.wait().await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock can panic half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn evict(&mut self) {
        let oldest = self.runs.iter().min_by_key(|(_, slot)| slot.used);
        if let Some(uid) = oldest.map(|(uid, _)| uid.clone()) {
            self.runs.remove(&uid);
        }
    }
}
