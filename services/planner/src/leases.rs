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
#[derive(Default)]
pub(crate) struct Leases {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// By subject.
    seen: HashMap<String, Seen>,
    watching_since: Option<Instant>,
}

/// What is known of a lease.
struct Seen {
    changed: Instant,
    /// The classes it takes tasks of.
    classes: Vec<String>,
    /// Which life its runner lives, and since when as far as is known here.
    life: Option<(String, Instant)>,
}

impl Leases {
    /// How long this life of a runner has not been heard of; `None` while that cannot be said. It ended
    /// when the next began.
    pub(crate) fn silent_for(&self, runner: &str, incarnation: &str) -> Option<Duration> {
        let inner = self.lock();
        let since = inner.watching_since?;
        let last = inner.seen.get(&subject::lease(runner)).map(|seen| match &seen.life {
            Some((living, began)) if living != incarnation => *began,
            _ => seen.changed,
        });
        Some(last.unwrap_or(since).max(since).elapsed())
    }

    /// How many runners that live take each class; `None` while that cannot be said.
    pub(crate) fn takers(&self) -> Option<BTreeMap<String, usize>> {
        let inner = self.lock();
        // Those that live have renewed their leases by then.
        inner.watching_since.filter(|since| since.elapsed() >= Lease::EXPIRY)?;
        let mut takers = BTreeMap::new();
        let living = inner
            .seen
            .values()
            .filter(|seen| seen.changed.elapsed() < Lease::EXPIRY);
        for class in living.flat_map(|seen| &seen.classes) {
            *takers.entry(class.clone()).or_default() += 1;
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
        let now = Instant::now();
        let lease = decode::<Lease>(&stored.subject, &stored.payload).ok();
        let known = inner.seen.remove(&stored.subject).and_then(|seen| seen.life);
        let life = match &lease {
            Some(lease) if known.as_ref().is_none_or(|(living, _)| *living != lease.incarnation) => {
                Some((lease.incarnation.clone(), now))
            }
            _ => known,
        };
        let classes = lease.filter(|lease| !lease.leaving).map(|lease| lease.classes);
        let seen = Seen {
            changed: now,
            classes: classes.unwrap_or_default(),
            life,
        };
        inner.seen.insert(stored.subject.clone(), seen);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock can panic half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
