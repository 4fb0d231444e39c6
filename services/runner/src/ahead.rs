//! Sandboxes made ahead of their tasks.
//!
//! A planner that is about to store a decision says at once what it will start: a hint, a core message
//! that may be lost. While the decision and the task are being stored the sandbox is built here, which
//! takes about as long. Nothing is started for a hint, and nothing depends on one: a task whose sandbox
//! is not here is prepared as ever, and a sandbox whose task does not come is removed again.
//!
//! Only a runner that is alone in its class listens: others could not know whose task it will be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidemill_bus::{Stored, Subscription};
use tidemill_messages::{AttemptKey, StartTask, decode};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::attempt::{Context, Sandbox, Trouble};

/// Sandboxes that wait for their tasks at most.
const SANDBOXES_MAX: usize = 8;
/// How long one waits for its task.
const LIFE: Duration = Duration::from_secs(2);

/// The sandboxes of one class that wait for their tasks.
#[derive(Default)]
pub(crate) struct Ahead(Mutex<HashMap<AttemptKey, Entry>>);

struct Entry {
    command: Arc<StartTask>,
    sandbox: JoinHandle<Result<Sandbox, Trouble>>,
    end_at: Instant,
}

impl Ahead {
    /// The sandbox made for this task, if there is one; one made for another task of the same attempt
    /// is removed. One that failed counts for nothing: what it needs may not have been there yet.
    pub(crate) async fn take(&self, key: &AttemptKey, command: &StartTask) -> Option<Sandbox> {
        let entry = self.lock().remove(key)?;
        if *entry.command == *command {
            return entry.sandbox.await.ok()?.ok();
        }
        entry.remove(key).await;
        None
    }

    /// Removes what was made for an attempt.
    pub(crate) async fn forget(&self, key: &AttemptKey) {
        let entry = self.lock().remove(key);
        if let Some(entry) = entry {
            entry.remove(key).await;
        }
    }

    /// Removes all whose time is over at `now`.
    async fn expire(&self, now: Instant) {
        let over: Vec<_> = self.lock().extract_if(|_, entry| entry.end_at <= now).collect();
        for (key, entry) in over {
            entry.remove(&key).await;
        }
    }

    fn next_end(&self) -> Option<Instant> {
        self.lock().values().map(|entry| entry.end_at).min()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AttemptKey, Entry>> {
        // Nothing that holds the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    async fn remove(self, key: &AttemptKey) {
        if let Ok(Ok(sandbox)) = self.sandbox.await {
            sandbox.remove(key).await;
        }
    }
}

/// Prepares what hints announce, until the connection is closed.
pub(crate) async fn listen(context: Arc<Context>, mut hints: Subscription) {
    loop {
        let end_at = context.ahead.next_end();
        tokio::select! {
            hint = hints.next() => match hint {
                Ok(hint) => prepare(&context, &hint),
                Err(_) => return,
            },
            () = sleep_until(end_at.unwrap_or_else(Instant::now)), if end_at.is_some() => {
                context.ahead.expire(Instant::now()).await;
            }
        }
    }
}

fn prepare(context: &Arc<Context>, hint: &Stored) {
    let Ok(command) = decode::<StartTask>(&hint.subject, &hint.payload) else {
        return;
    };
    let key = command.key();
    let mut entries = context.ahead.lock();
    let has_room = entries.len() < SANDBOXES_MAX.min(context.slots.free());
    if !has_room || entries.contains_key(&key) || !context.hold.is_held() || !context.is_alone() {
        return;
    }
    let command = Arc::new(command);
    let (own, wanted) = (context.clone(), command.clone());
    let sandbox = tokio::spawn(async move { Sandbox::prepare(&own, &wanted.key(), &wanted).await });
    let end_at = Instant::now() + LIFE;
    let entry = Entry {
        command,
        sandbox,
        end_at,
    };
    entries.insert(key, entry);
}
