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
/// For so long after its end an attempt whose run looks after the release is what changes come from, until the planner
/// says that the run is done with it: what goes back takes its time.
const CARE_MAX: SignedDuration = SignedDuration::from_mins(15);
/// An attempt that was never said to end is forgotten after so long.
const LIFE_MAX: SignedDuration = SignedDuration::from_hours(48);
/// How long a reader waits before it begins anew.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
struct Attempt {
    actor: Actor,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    care: Care,
}

/// Whether the run of an attempt that is over looks after what it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Care {
    No,
    Until(Timestamp),
    Over,
}

impl Attempt {
    fn is_at_work(&self, now: Timestamp) -> bool {
        let is_recent = |ended| now.duration_since(ended) < AFTERMATH;
        self.ended_at.is_none_or(is_recent) || self.is_cared_for(now)
    }

    fn is_cared_for(&self, now: Timestamp) -> bool {
        matches!(self.care, Care::Until(until) if now < until)
    }

    /// Takes in what is said of its end; the same may be said again, and late.
    fn end(&mut self, report: &DeployReport, now: Timestamp) {
        match report.stage {
            DeployStage::Started => {}
            DeployStage::Ended => {
                let ended_at = *self.ended_at.get_or_insert(report.ended_at.unwrap_or(now));
                if report.answer_by.is_some() && self.care == Care::No {
                    self.care = Care::Until(ended_at.saturating_add(CARE_MAX).unwrap_or(ended_at));
                }
            }
            DeployStage::Settled if self.care != Care::Over => {
                self.care = Care::Over;
                self.ended_at = Some(now);
            }
            DeployStage::Settled => {}
        }
    }
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
            Some(ended) => now.duration_since(ended) < AFTERMATH * 2 || attempt.is_cared_for(now),
            None => now.duration_since(attempt.started_at) < LIFE_MAX,
        });
        let actor = report.actor();
        let index = attempts.iter().position(|attempt| attempt.actor == actor);
        let index = index.unwrap_or_else(|| {
            attempts.push(Attempt {
                actor,
                started_at: report.started_at,
                ended_at: None,
                care: Care::No,
            });
            attempts.len() - 1
        });
        attempts[index].end(report, now);
    }

    /// The attempt that is at work on a release, or was a moment ago; the newest of several.
    pub(crate) fn at_work(&self, release: &ReleaseName, now: Timestamp) -> Option<Actor> {
        let all = self.lock();
        let attempts = all.get(release)?.iter().filter(|attempt| attempt.is_at_work(now));
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

#[cfg(test)]
mod tests {
    use tidemill_bus::Bus;
    use tidemill_messages::DeployReport;

    use super::*;
    use crate::unlock::tests::report;

    fn at(minute: i64) -> Timestamp {
        let ended: Timestamp = "2026-11-23T13:01:00Z".parse().unwrap();
        ended + SignedDuration::from_mins(minute)
    }

    fn failed(is_awaited: bool) -> (Actors, DeployReport) {
        let actors = Actors::new(Bus::memory());
        let mut ended = report("failed");
        ended.answer_by = is_awaited.then(|| at(1));
        actors.add(&ended, at(0));
        (actors, ended)
    }

    #[tokio::test]
    async fn what_goes_back_slowly_is_still_the_attempt_s_whose_run_looks_after_it() {
        let (actors, ended) = failed(true);
        assert_eq!(actors.at_work(&ended.release, at(9)), Some(ended.actor()));
        assert!(!actors.others_at_work(&ended));
        // Told again, as after a restart, it lasts no longer.
        actors.add(&ended, at(14));
        assert_eq!(actors.at_work(&ended.release, at(16)), None);
    }

    #[tokio::test]
    async fn what_happens_after_the_run_is_done_with_it_is_nobody_s() {
        let (actors, ended) = failed(true);
        let settled = DeployReport {
            stage: DeployStage::Settled,
            ..ended.clone()
        };
        actors.add(&settled, at(5));
        actors.add(&ended, at(5));
        let soon = at(5) + SignedDuration::from_secs(2);
        assert_eq!(actors.at_work(&ended.release, soon), Some(ended.actor()));
        assert_eq!(actors.at_work(&ended.release, at(6)), None);
        let (actors, ended) = failed(false);
        assert_eq!(actors.at_work(&ended.release, at(1)), None, "no run waits");
    }
}
