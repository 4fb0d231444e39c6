//! Which runners are alive, as this process sees it (R2).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidemill_messages::stream::CLAIMS;
use tidemill_messages::subject;
use tokio::time::Instant;

use crate::Error;
use crate::planner::Planner;
use crate::retry::until_done;

/// All leases of the stream.
const ALL_LEASES: &str = "runner.*";

/// When each lease was last seen to change, by this process's own clock. Time without a connection
/// counts for nobody.
pub(crate) struct Leases {
    inner: Mutex<Inner>,
}

struct Inner {
    changed: HashMap<String, Instant>,
    watching_since: Option<Instant>,
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                changed: HashMap::new(),
                watching_since: None,
            }),
        }
    }
}

impl Leases {
    /// How long this runner has shown no life; `None` while that cannot be said.
    pub(crate) fn silent_for(&self, runner: &str) -> Option<Duration> {
        let inner = self.lock();
        let since = inner.watching_since?;
        let changed = inner.changed.get(&subject::lease(runner)).copied().unwrap_or(since);
        Some(changed.max(since).elapsed())
    }

    /// Reads leases until it is dropped.
    pub(crate) async fn run(&self, planner: Arc<Planner>) -> Result<(), Error> {
        let mut connected = planner.bus.connected();
        let mut reader = until_done(&planner.stopping, || async {
            Ok(planner.bus.reader(CLAIMS, ALL_LEASES, 0, true).await?)
        })
        .await?;
        self.lock().watching_since = connected.borrow().then(Instant::now);
        loop {
            tokio::select! {
                lease = reader.next() => {
                    self.lock().changed.insert(lease?.subject, Instant::now());
                }
                Ok(()) = connected.changed() => {
                    let up = *connected.borrow();
                    self.lock().watching_since = up.then(Instant::now);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock can panic half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
