//! The sweep: what was lost on the way is found within a minute (P5).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use tidemill_bus::Stored;
use tidemill_engine::RunState;
use tidemill_messages::claim::Claim;
use tidemill_messages::envelope::TRACEPARENT;
use tidemill_messages::stream::{FACTS, RUNS};
use tidemill_messages::{AttemptKey, FactBody, subject};
use tidemill_telemetry::metrics::catalogue::RUNNING_RUNS;
use tokio::time::Instant;

use crate::Error;
use crate::actor::Input;
use crate::cancel::Verdict;
use crate::outbox::{self, Start};
use crate::planner::Planner;
use crate::record::{self, Head};
use crate::retry::until_done;

/// All decisions of all runs.
const ALL_DECISIONS: &str = "run.*.*.decision";

/// Attempts of one run looked at together.
const CONCURRENT_ATTEMPTS: usize = 16;

/// Time between two runs, so that a sweep of many is no storm.
const SPACING: Duration = Duration::from_millis(5);

/// The runs that are not over, with the time of their last decision; from the headers of all
/// decisions, so that every planner knows those of the others too.
#[derive(Default)]
pub(crate) struct Unfinished {
    runs: Mutex<HashMap<String, Idle>>,
}

/// A run since its last decision.
#[derive(Clone, Copy)]
struct Idle {
    since: Instant,
    /// Whether it was looked at since.
    is_seen: bool,
}

/// An attempt under way, and how it would be dispatched.
pub(crate) struct Attempt {
    key: AttemptKey,
    class: String,
    start: Start,
}

impl Unfinished {
    /// Follows all decisions until it is dropped.
    pub(crate) async fn run(&self, planner: Arc<Planner>) -> Result<(), Error> {
        let mut reader = until_done(&planner.stopping, || async {
            Ok(planner.bus.reader(RUNS, ALL_DECISIONS, 0, true).await?)
        })
        .await?;
        loop {
            let stored = reader.next().await?;
            let Some(run_uid) = subject::run_uid_of(&stored.subject) else {
                continue;
            };
            if Head::of(&stored).over {
                self.lock().remove(&run_uid);
            } else {
                let idle = Idle {
                    since: Instant::now(),
                    is_seen: false,
                };
                self.lock().insert(run_uid, idle);
            }
            RUNNING_RUNS.plain().set(self.lock().len() as i64);
        }
    }

    fn idle_for(&self, span: Duration) -> Vec<String> {
        let runs = self.lock();
        let idle = runs.iter().filter(|(_, idle)| idle.since.elapsed() >= span);
        idle.map(|(run_uid, _)| run_uid.clone()).collect()
    }

    /// Those that nothing has happened to for `span`, each once until something does.
    fn newly_idle_for(&self, span: Duration) -> Vec<String> {
        let mut runs = self.lock();
        let idle = runs
            .iter_mut()
            .filter(|(_, idle)| !idle.is_seen && idle.since.elapsed() >= span);
        idle.map(|(run_uid, idle)| {
            idle.is_seen = true;
            run_uid.clone()
        })
        .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Idle>> {
        // Nothing that holds the lock can panic half-way.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at all unfinished runs, again and again.
pub(crate) async fn run(planner: Arc<Planner>) -> Result<(), Error> {
    let every = planner.settings.sweep_every.duration();
    let waits_after = planner.settings.waits_after.duration();
    let mut sweep_at = Instant::now() + every;
    loop {
        let look_at = Instant::now() + waits_after / 4;
        tokio::time::sleep_until(sweep_at.min(look_at)).await;
        let idle = if Instant::now() >= sweep_at {
            sweep_at = Instant::now() + every;
            planner.unfinished.idle_for(every)
        } else {
            planner.unfinished.newly_idle_for(waits_after)
        };
        for run_uid in idle {
            // Too busy to look now is no run that was forgotten.
            drop(planner.runs.send(&planner, &run_uid, Input::Examine));
            tokio::time::sleep(SPACING).await;
        }
    }
}

impl Planner {
    /// The attempts of a run that are under way.
    pub(crate) fn attempts(&self, state: &RunState) -> Vec<Attempt> {
        let record = record::template(0);
        let attempts = tidemill_engine::in_flight(state);
        attempts
            .filter_map(|(task, attempt)| {
                let start = outbox::start(state, &record, task, attempt, 0).ok()?;
                let key = AttemptKey::new(state.uid(), task, attempt);
                let class = tidemill_engine::dispatch(state, task).ok()?.class;
                Some(Attempt { key, class, start })
            })
            .collect()
    }

    /// Compares attempts with claims, leases and finished facts, and mends what is amiss.
    pub(crate) async fn examine(self: &Arc<Self>, run_uid: &str, attempts: Vec<Attempt>) -> Result<(), Error> {
        stream::iter(attempts)
            .map(|attempt| self.examine_attempt(run_uid, attempt))
            .buffer_unordered(CONCURRENT_ATTEMPTS)
            .try_collect()
            .await
    }

    async fn examine_attempt(self: &Arc<Self>, run_uid: &str, attempt: Attempt) -> Result<(), Error> {
        let key = &attempt.key;
        if let Some(finished) = self.stored(FACTS, &subject::attempt_fact(key, "finished")).await? {
            // If its delivery is under way as well, the run knows it by then.
            drop(self.runs.send(self, run_uid, Input::Found(Box::new(finished))));
            return Ok(());
        }
        let carried = attempt
            .start
            .message
            .headers
            .iter()
            .find(|(name, _)| name == TRACEPARENT);
        let traceparent = carried.map(|(_, value)| value.clone()).unwrap_or_default();
        match self.claim_of(key).await? {
            None if self.stored(RUNS, &attempt.start.message.subject).await?.is_none() => {
                tracing::warn!(%key, "A task was decided but not dispatched; it is now.");
                self.publish_start(&attempt.start).await
            }
            None => self.say_nobody_takes(key, &attempt.class, &traceparent).await,
            Some((_, claim)) if claim.runner == Claim::PLANNER => {
                self.finish_attempt(key, &Verdict::of(&claim), &traceparent).await
            }
            Some((stored, claim)) => self.give_up(key, &stored, &claim, &traceparent).await,
        }
    }

    /// Ends an attempt whose runner has been silent for too long, by taking its claim. A runner that
    /// lives another life and has not taken it up in that time finds nothing of it.
    async fn give_up(&self, key: &AttemptKey, stored: &Stored, claim: &Claim, traceparent: &str) -> Result<(), Error> {
        let silent = self.leases.silent_for(&claim.runner, &claim.incarnation);
        if silent.is_none_or(|silent| silent < self.settings.lost_after.duration()) {
            return Ok(());
        }
        tracing::warn!(%key, runner = claim.runner, ?silent, "An attempt is given up: its runner is lost.");
        if self
            .take_claim(key, stored.sequence, &Verdict::Lost, traceparent)
            .await?
        {
            self.finish_attempt(key, &Verdict::Lost, traceparent).await?;
        }
        Ok(())
    }

    /// Tells the run that no runner takes an attempt, once.
    async fn say_nobody_takes(&self, key: &AttemptKey, class: &str, traceparent: &str) -> Result<(), Error> {
        let Some(takers) = self.leases.takers() else {
            return Ok(());
        };
        if takers.contains_key(class) {
            return Ok(());
        }
        let subject = subject::attempt_fact(key, "waits");
        let body = FactBody::AttemptWaits {
            task: key.task.clone(),
            attempt: key.attempt,
            message: nobody_takes(class, &takers),
        };
        self.store_fact(subject, body, traceparent).await
    }

    async fn stored(&self, stream: &str, subject: &str) -> Result<Option<Stored>, Error> {
        until_done(&self.stopping, || async { Ok(self.bus.last(stream, subject).await?) }).await
    }
}

/// What is said of a task that no runner takes: why, and what to do.
fn nobody_takes(class: &str, takers: &BTreeMap<String, usize>) -> String {
    let connected: Vec<String> = takers
        .iter()
        .map(|(class, count)| format!("{class} ({count})"))
        .collect();
    let connected = match connected.is_empty() {
        true => "none".to_owned(),
        false => connected.join(", "),
    };
    let others: Vec<&str> = takers.keys().map(String::as_str).collect();
    let instead = match others.first() {
        Some(other) => format!(", or set `tidemill.dev/class: {other}` on the run"),
        None => String::new(),
    };
    format!(
        "no runner takes class {class:?}; runners connected: {connected}; start one with `tidemill runner --backend \
         {class}`{instead}"
    )
}

#[cfg(test)]
mod tests {
    use super::nobody_takes;

    #[test]
    fn who_waits_is_told_what_to_do() {
        let takers = [("docker".to_owned(), 1), ("process".to_owned(), 2)].into();
        assert_eq!(
            nobody_takes("kubernetes", &takers),
            "no runner takes class \"kubernetes\"; runners connected: docker (1), process (2); start one with `tidemill \
             runner --backend kubernetes`, or set `tidemill.dev/class: docker` on the run"
        );
        let alone = nobody_takes("docker", &Default::default());
        assert!(
            alone.ends_with("start one with `tidemill runner --backend docker`"),
            "{alone}"
        );
    }
}
