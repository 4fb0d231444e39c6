//! Which attempts of ours are at work on which release.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tidemill_bus::{Bus, Stored};
use tidemill_messages::release::Actor;
use tidemill_messages::stream::RUNS;
use tidemill_messages::{DeployReport, DeployStage, ReleaseName, decode, subject};

use crate::Error;

/// For so long after its end an attempt may still be what a change comes from: what is seen of the
/// cluster is seen late.
const AFTERMATH: SignedDuration = SignedDuration::from_secs(10);
/// An attempt that was never said to end is forgotten after so long.
const LIFE_MAX: SignedDuration = SignedDuration::from_hours(48);
/// How long a reader waits before it begins anew.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
struct Attempt {
    actor: Actor,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
}

/// The attempts that deploy.
pub(crate) struct Actors {
    bus: Bus,
    attempts: Mutex<HashMap<ReleaseName, Vec<Attempt>>>,
}

impl Actors {
    pub(crate) fn new(bus: Bus) -> Self {
        Self {
            bus,
            attempts: Mutex::default(),
        }
    }

    /// Keeps in step with what planners say.
    pub(crate) async fn follow(&self) -> Result<(), Error> {
        let mut reader = self.bus.reader(RUNS, subject::ALL_DEPLOYS, 0, false).await?;
        loop {
            match reader.next().await {
                Ok(stored) => self.note(&stored),
                Err(error) if error.retry() == tidemill_bus::Retry::Never => return Err(error.into()),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn note(&self, stored: &Stored) {
        match decode::<DeployReport>(&stored.subject, &stored.payload) {
            Ok(report) => self.add(&report, self.bus.now()),
            Err(error) => tracing::warn!(subject = stored.subject, %error, "What a planner says cannot be read."),
        }
    }

    pub(crate) fn add(&self, report: &DeployReport, now: Timestamp) {
        let mut all = self.lock();
        let attempts = all.entry(report.release.clone()).or_default();
        attempts.retain(|attempt| match attempt.ended_at {
            Some(ended) => now.duration_since(ended) < AFTERMATH * 2,
            None => now.duration_since(attempt.started_at) < LIFE_MAX,
        });
        let actor = report.actor();
        let ended_at = (report.stage != DeployStage::Started).then(|| report.ended_at.unwrap_or(now));
        match attempts.iter_mut().find(|attempt| attempt.actor == actor) {
            Some(attempt) => attempt.ended_at = attempt.ended_at.or(ended_at),
            None => attempts.push(Attempt {
                actor,
                started_at: report.started_at,
                ended_at,
            }),
        }
    }

    /// The attempt that is at work on a release, or was a moment ago; the newest of several.
    pub(crate) fn at_work(&self, release: &ReleaseName, now: Timestamp) -> Option<Actor> {
        let all = self.lock();
        let attempts = all.get(release)?.iter().filter(|attempt| {
            attempt
                .ended_at
                .is_none_or(|ended| now.duration_since(ended) < AFTERMATH)
        });
        attempts
            .max_by_key(|attempt| attempt.started_at)
            .map(|attempt| attempt.actor.clone())
    }

    /// Whether another attempt than this one is at work on the release.
    pub(crate) fn others_at_work(&self, report: &DeployReport) -> bool {
        let own = report.actor();
        let all = self.lock();
        let attempts = all.get(&report.release).into_iter().flatten();
        attempts
            .filter(|attempt| attempt.ended_at.is_none())
            .any(|attempt| attempt.actor != own)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ReleaseName, Vec<Attempt>>> {
        // Nothing that holds the lock can panic half-way.
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
