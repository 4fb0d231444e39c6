//! Which runners are alive, as this process sees it (R2).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidemill_bus::Stored;
use tidemill_messages::claim::Lease;
use tidemill_messages::stream::CLAIMS;
use tidemill_messages::{decode, subject};
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
    /// The classes of each, if it takes tasks.
    classes: HashMap<String, Vec<String>>,
    /// Which life each runner lives, and since when as far as is known here.
    lives: HashMap<String, (String, Instant)>,
    watching_since: Option<Instant>,
}

impl Inner {
    fn live(&mut self, lease: &str, incarnation: &str) {
        let known = self.lives.get(lease);
        if known.is_none_or(|(living, _)| living != incarnation) {
            self.lives
                .insert(lease.to_owned(), (incarnation.to_owned(), Instant::now()));
        }
    }
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                changed: HashMap::new(),
                classes: HashMap::new(),
                lives: HashMap::new(),
                watching_since: None,
            }),
        }
    }
}

impl Leases {
    /// How long this life of a runner has not been heard of; `None` while that cannot be said. It ended
    /// when the next began.
    pub(crate) fn silent_for(&self, runner: &str, incarnation: &str) -> Option<Duration> {
        let inner = self.lock();
        let since = inner.watching_since?;
        let lease = subject::lease(runner);
        let last = match inner.lives.get(&lease) {
            Some((living, began)) if living != incarnation => Some(*began),
            _ => inner.changed.get(&lease).copied(),
        };
        Some(last.unwrap_or(since).max(since).elapsed())
    }

    /// How many runners that live take each class; `None` while that cannot be said.
    pub(crate) fn takers(&self) -> Option<BTreeMap<String, usize>> {
        let inner = self.lock();
        // Those that live have renewed their leases by then.
        inner.watching_since.filter(|since| since.elapsed() >= Lease::EXPIRY)?;
        let mut takers = BTreeMap::new();
        for (lease, classes) in &inner.classes {
            let changed = inner.changed.get(lease);
            if changed.is_some_and(|changed| changed.elapsed() < Lease::EXPIRY) {
                classes
                    .iter()
                    .for_each(|class| *takers.entry(class.clone()).or_default() += 1);
            }
        }
        Some(takers)
    }

    /// Reads leases until it is dropped.
    pub(crate) async fn run(&self, planner: Arc<Planner>) -> Result<(), Error> {
        let mut connected = planner.bus.connected();
        let mut reader = until_done(&planner.stopping, || async {
            Ok(planner.bus.reader(CLAIMS, ALL_LEASES, 0, false).await?)
        })
        .await?;
        self.lock().watching_since = connected.borrow().then(Instant::now);
        loop {
            tokio::select! {
                lease = reader.next() => {
                    self.heard(&lease?);
                }
                Ok(()) = connected.changed() => {
                    let up = *connected.borrow();
                    self.lock().watching_since = up.then(Instant::now);
                }
            }
        }
    }

    fn heard(&self, stored: &Stored) {
        let mut inner = self.lock();
        inner.changed.insert(stored.subject.clone(), Instant::now());
        let lease = decode::<Lease>(&stored.subject, &stored.payload).ok();
        if let Some(lease) = &lease {
            inner.live(&stored.subject, &lease.incarnation);
        }
        let classes = lease.filter(|lease| !lease.leaving).map(|lease| lease.classes);
        inner
            .classes
            .insert(stored.subject.clone(), classes.unwrap_or_default());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock can panic half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
