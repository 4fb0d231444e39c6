//! What follows a decision beside the run's next one: status, references, the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidemill_engine::ResolveRequest;
use tidemill_objects::Key;
use tidemill_telemetry::Chain;
use tokio::task::JoinError;
use tokio::time::Instant;

use super::decide::{Decided, FAULT_PAUSE};
use super::{Actor, Job};
use crate::Error;
use crate::facts::run_key;
use crate::outbox::Outbox;
use crate::planner::Planner;
use crate::receipt::Receipt;

/// For each so many tasks of a run its intermediate status is written that much more seldom.
const COALESCE_CHILDREN: usize = 100;
/// So long the final status of a task waits while its run goes on.
const SETTLING: Duration = Duration::from_millis(20);

impl Actor {
    /// Starts the jobs that `decided` asks for; the receipt is acknowledged with the last of them.
    pub(super) async fn follow(&mut self, decided: Decided, receipt: Receipt) {
        let Decided { outbox, known, .. } = &decided;
        let mut urgent = self.note_known(known);
        urgent |= decided.confirmed && (self.projecting || !self.waiting.is_empty());
        for (task, last) in &outbox.projections {
            *self.dirty.entry(task.clone()).or_default() |= last;
            urgent |= last;
        }
        self.complete();
        self.start_jobs(&decided, &receipt);
        if !self.dirty.is_empty() {
            let coalesced = Instant::now() + self.coalesce();
            self.flush_at.get_or_insert(coalesced);
        }
        if urgent {
            self.waiting.push(receipt.share());
            let settled = Instant::now() + self.settling();
            self.settle_at.get_or_insert(settled);
        }
        receipt.done(&self.planner).await;
    }

    /// A run that is shown as over has no task that is not. A planner before us may have died before it
    /// wrote what it knew of tasks, and those facts come again only later.
    fn complete(&mut self) {
        let Some(log) = self.log.as_ref().filter(|log| self.inherited && log.state.is_over()) else {
            return;
        };
        if self.dirty.contains_key(&None) {
            let tasks = tidemill_engine::task_keys(&log.state);
            self.dirty.extend(tasks.map(|task| (Some(task.to_owned()), true)));
        }
    }

    /// How long status that changes no more waits: a run's last does not, what comes between two tasks
    /// keeps out of the way of the one that starts.
    fn settling(&self) -> Duration {
        match &self.log {
            Some(log) if !log.state.is_over() => SETTLING,
            _ => Duration::ZERO,
        }
    }

    /// How long status that may still change waits for more: longer in large runs, whose status
    /// grows with its tasks, so that what a task costs does not.
    fn coalesce(&self) -> Duration {
        let children = self
            .log
            .as_ref()
            .map_or(0, |log| tidemill_engine::task_keys(&log.state).count());
        let factor = u32::try_from(1 + children / COALESCE_CHILDREN).unwrap_or(u32::MAX);
        self.planner.settings.coalesce.duration().saturating_mul(factor)
    }

    /// A fact that changed nothing came twice: what it asked for may be under way still, or, after
    /// another planner, not be done. Tells whether its acknowledgement has to wait.
    fn note_known(&mut self, known: &[Option<String>]) -> bool {
        if known.is_empty() {
            return false;
        }
        let Some(log) = self.log.as_ref().filter(|_| self.inherited) else {
            return self.projecting || !self.waiting.is_empty();
        };
        let over = log.state.is_over();
        for task in known.iter().flatten() {
            self.dirty.insert(Some(task.clone()), true);
        }
        *self.dirty.entry(None).or_default() |= over;
        true
    }

    fn start_jobs(&mut self, decided: &Decided, receipt: &Receipt) {
        let outbox = &decided.outbox;
        for request in self.requests(outbox, decided.examine) {
            let Some(log) = &self.log else { continue };
            let (state, traceparent) = (log.state.clone(), outbox.traceparent.clone());
            self.start(Job::Resolve, Some(receipt.share()), async move |planner, uid| {
                planner.resolve(&uid, state, request, &traceparent).await
            });
        }
        if let Some(key) = self.doomed(decided) {
            self.purging = true;
            self.start(Job::Purge, Some(receipt.share()), async move |planner, uid| {
                planner.purge_run(&key, &uid).await
            });
        }
        for claim in outbox.remove_volumes.clone() {
            let Some(log) = &self.log else { continue };
            let namespace = log.state.namespace().to_owned();
            self.start(Job::RemoveVolume, Some(receipt.share()), async move |planner, _| {
                planner.remove_volume(&namespace, &claim).await
            });
        }
        if decided.examine {
            self.examine();
        }
    }

    /// Starts a job; its receipt is done when it succeeds.
    fn start<F>(&mut self, job: Job, receipt: Option<Receipt>, work: impl FnOnce(Arc<Planner>, String) -> F)
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let planner = self.planner.clone();
        let work = work(planner.clone(), self.run_uid.clone());
        self.jobs.spawn(async move {
            let outcome = work.await;
            if let (Ok(()), Some(receipt)) = (&outcome, receipt) {
                receipt.done(&planner).await;
            }
            (job, outcome)
        });
    }

    /// What is to be looked up. The sweep asks again for what nobody answered.
    fn requests(&self, outbox: &Outbox, examine: bool) -> Vec<ResolveRequest> {
        let Some(log) = &self.log else { return Vec::new() };
        if !outbox.resolves.is_empty() || !examine {
            return outbox.resolves.clone();
        }
        let references = crate::resolve::unanswered(&log.state);
        if references.is_empty() {
            return Vec::new();
        }
        vec![ResolveRequest { references }]
    }

    fn doomed(&self, decided: &Decided) -> Option<Key> {
        if let Some(key) = &decided.remains {
            return Some(key.clone());
        }
        let state = &self.log.as_ref().filter(|_| decided.outbox.finish)?.state;
        Some(run_key(state.kind()?, state.namespace(), state.name()))
    }

    /// Compares the attempts under way with claims, leases and finished facts (P5).
    fn examine(&mut self) {
        let Some(log) = &self.log else { return };
        let attempts = self.planner.attempts(&log.state);
        self.start(Job::Examine, None, async move |planner, uid| {
            planner.examine(&uid, attempts).await
        });
    }

    /// Writes the status that changes no more, or `all` that has changed, and clears away what the
    /// end of a run leaves.
    pub(super) fn project(&mut self, all: bool) {
        if self.projecting {
            return;
        }
        self.settle_at = None;
        let Some(log) = &self.log else {
            // What is dirty is looked at again when the facts come again.
            self.flush_at = None;
            return;
        };
        // What may change again waits for more.
        let (due, later): (BTreeMap<_, _>, _) = std::mem::take(&mut self.dirty)
            .into_iter()
            .partition(|(_, last)| all || *last);
        self.dirty = later;
        if self.dirty.is_empty() {
            self.flush_at = None;
        }
        if due.is_empty() && self.waiting.is_empty() {
            return;
        }
        let writes = self.planner.writes(&log.state, &due);
        self.writing = due;
        let receipts = std::mem::take(&mut self.waiting);
        let close = log.state.is_over() && !self.closed;
        self.closed |= close;
        self.projecting = true;
        self.start(Job::Project, None, async move |planner, uid| {
            planner.write(writes).await?;
            if close {
                planner.purge_ended(&uid).await?;
            }
            planner.pass("planner.projected").await;
            for receipt in receipts {
                receipt.done(&planner).await;
            }
            Ok(())
        });
    }

    /// A job has ended.
    pub(super) fn settle(&mut self, ended: Result<(Job, Result<(), Error>), JoinError>) {
        if !matches!(
            ended,
            Ok((Job::Project | Job::Resolve | Job::RemoveVolume | Job::Examine, _))
        ) {
            self.purging = false;
        }
        match ended {
            Ok((Job::Project, Ok(()))) => {
                self.projecting = false;
                self.writing.clear();
            }
            Ok((Job::Purge, Ok(()))) => self.forget(),
            Ok((_, Ok(()) | Err(Error::Stopping))) => {}
            Ok((job, Err(error))) => {
                let (run, error) = (&self.run_uid, Chain(&error));
                tracing::error!(run, ?job, %error, "What follows a decision failed; it is tried again.");
                self.distrust(job == Job::Project);
            }
            Err(error) => {
                tracing::error!(run = self.run_uid, %error, "A job of the run ended by a fault of its own.");
                self.distrust(true);
            }
        }
    }

    /// The run was purged.
    fn forget(&mut self) {
        self.log = None;
        self.dirty.clear();
        self.waiting.clear();
        self.writing.clear();
        self.heard.clear();
        self.flush_at = None;
    }

    /// A job failed: its facts come again, are known then, and what they ask for is done once more. What
    /// was heard does not come again: its status is written again in any case.
    fn distrust(&mut self, projection: bool) {
        self.inherited = true;
        self.closed = false;
        if projection {
            self.projecting = false;
            for (task, last) in std::mem::take(&mut self.writing) {
                *self.dirty.entry(task).or_default() |= last;
            }
            if !self.dirty.is_empty() {
                self.settle_at = Some(Instant::now() + FAULT_PAUSE);
            }
        }
    }
}
