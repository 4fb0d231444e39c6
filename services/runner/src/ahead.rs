//! Claims and sandboxes made ahead of their tasks.
//!
//! A planner that is about to store a decision says at once what it will start: a hint, a core message
//! that may be lost. While the decision is being stored the attempt is claimed and its sandbox is built
//! here, which takes about as long; the word that the decision is stored (a go, that may be lost too)
//! lets it begin while its command is still being stored. Nothing is started for a hint alone, and
//! nothing depends on either: a task that is not here begins as ever, and what was made for one that does
//! not come is removed again, its claim too.
//!
//! Only a runner that is alone in its class listens: others could not know whose task it will be.

mod made;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidemill_bus::{Stored, Subscription};
use tidemill_messages::envelope::{DECISION_ID, TASK};
use tidemill_messages::{AttemptKey, StartTask, decode};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::attempt::{Context, Task};
use crate::intake::priority;

use made::Entry;
pub(crate) use made::Made;

/// Attempts that wait for their tasks at most.
const ATTEMPTS_MAX: usize = 8;
/// How long one waits for its task.
const LIFE: Duration = Duration::from_secs(2);

/// Attempts remembered after they were taken: a hint that comes later than so many others is not expected.
const TAKEN_MAX: usize = 256;

/// The attempts of one class that wait for their tasks.
#[derive(Default)]
pub(crate) struct Ahead(Mutex<Attempts>);

#[derive(Default)]
struct Attempts {
    waiting: HashMap<AttemptKey, Entry>,
    /// Those that have begun, the last ones: a hint may come after its task.
    taken: VecDeque<AttemptKey>,
}

/// A decision that is stored.
pub(crate) struct Go {
    pub(crate) class: String,
    /// Its id.
    decision: String,
}

impl Ahead {
    /// What was made for an attempt, or is being made.
    pub(crate) fn take(&self, key: &AttemptKey, command: &Arc<StartTask>) -> Made {
        let entry = self.lock().take(key);
        entry.map_or_else(Made::default, |entry| entry.made(key, command))
    }

    /// The tasks of a decision that are claimed and prepared here. They stay until they are taken.
    pub(crate) fn decided(&self, go: &Go) -> Vec<Task> {
        let attempts = self.lock();
        let decided = attempts.waiting.iter().filter(|(_, entry)| entry.is_of(&go.decision));
        decided
            .map(|(key, entry)| Task {
                delivery: None,
                key: key.clone(),
                command: entry.command.clone(),
                class: go.class.clone(),
                priority: priority(&entry.subject),
            })
            .collect()
    }

    /// Removes the sandbox made for an attempt; its claim is the caller's to replace.
    pub(crate) async fn forget(&self, key: &AttemptKey) {
        let entry = self.lock().take(key);
        if let Some(entry) = entry {
            entry.remove_sandbox(key).await;
        }
    }

    pub(crate) fn keys(&self) -> Vec<AttemptKey> {
        self.lock().waiting.keys().cloned().collect()
    }

    pub(crate) fn contains(&self, key: &AttemptKey) -> bool {
        self.lock().waiting.contains_key(key)
    }

    /// Removes all whose time is over at `now`, with their claims.
    async fn expire(&self, context: &Context, now: Instant) {
        let over: Vec<_> = self.lock().waiting.extract_if(|_, entry| entry.end_at <= now).collect();
        for (key, entry) in over {
            entry.withdraw(context, &key).await;
        }
    }

    fn next_end(&self) -> Option<Instant> {
        self.lock().waiting.values().map(|entry| entry.end_at).min()
    }

    fn lock(&self) -> MutexGuard<'_, Attempts> {
        // Nothing that holds the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Claims and prepares what hints announce, and hands on what is decided, until the connection is closed.
pub(crate) async fn listen(
    context: Arc<Context>,
    mut hints: Subscription,
    mut goes: Subscription,
    going: mpsc::Sender<Go>,
) {
    loop {
        let end_at = context.ahead.next_end();
        tokio::select! {
            // A hint is sent before the go of its decision.
            biased;
            hint = hints.next() => match hint {
                Ok(hint) => prepare(&context, &hint),
                Err(_) => return,
            },
            go = goes.next() => match go {
                Ok(go) => hand_on(&context, &go, &going),
                Err(_) => return,
            },
            () = sleep_until(end_at.unwrap_or_else(Instant::now)), if end_at.is_some() => {
                context.ahead.expire(&context, Instant::now()).await;
            }
        }
    }
}

fn prepare(context: &Arc<Context>, hint: &Stored) {
    let Ok(command) = decode::<StartTask>(&hint.subject, &hint.payload) else {
        return;
    };
    if !context.hold.is_held() || !context.is_alone() {
        return;
    }
    let key = command.key();
    // Held until it is there: its task may come meanwhile.
    let mut attempts = context.ahead.lock();
    if attempts.has_room(context.slots.free(), &key) {
        let end_at = Instant::now() + LIFE;
        let names = hint.header(DECISION_ID).zip(hint.header(TASK));
        let entry = Entry::begin(context, Arc::new(command), names, end_at);
        attempts.waiting.insert(key, entry);
    }
}

impl Attempts {
    fn has_room(&self, free_slots: usize, key: &AttemptKey) -> bool {
        let is_new = !self.waiting.contains_key(key) && !self.taken.contains(key);
        is_new && self.waiting.len() < ATTEMPTS_MAX.min(free_slots)
    }

    fn take(&mut self, key: &AttemptKey) -> Option<Entry> {
        self.taken.truncate(TAKEN_MAX - 1);
        self.taken.push_front(key.clone());
        self.waiting.remove(key)
    }
}

/// A go that finds the queue full is lost: the task's message comes all the same.
fn hand_on(context: &Context, go: &Stored, going: &mpsc::Sender<Go>) {
    let Some(decision) = go.header(DECISION_ID) else {
        return;
    };
    let go = Go {
        class: context.backend.class().to_owned(),
        decision: decision.to_owned(),
    };
    drop(going.try_send(go));
}
