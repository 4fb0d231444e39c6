//! Attempts start, end, come back.

use jiff::Timestamp;
use tidemill_messages::{AttemptOutcome, CancelReason, Ending};
use tidemill_resources::task_run::StepState;

use super::release;
use super::turn::Turn;
use crate::child::{Child, Phase};
use crate::decision::{CancelCause, Change, Effect, Stop, Verdict};
use crate::error::Error;
use crate::fact::Fact;
use crate::task;

/// Reasons of failures that no further attempt can mend.
const FINAL_REASONS: [&str; 4] = [
    "TaskRunValidationFailed",
    "TaskValidationFailed",
    "TaskRunResolutionFailed",
    "InvalidParamValue",
];

/// Tekton's reason for a pod that cannot be made.
const POD_FAILED: &str = "PodCreationFailed";

/// Annotation: how many more attempts there are when runners are lost.
const RERUN_WHEN_LOST: &str = "tidemill.dev/rerun-when-lost";

impl Turn<'_> {
    pub(super) fn attempt_started(
        &mut self,
        fact: &Fact,
        task: &str,
        attempt: u32,
        (pod_name, started_at, steps): (&str, Timestamp, &[StepState]),
    ) -> Result<(), Error> {
        let Some(child) = self.current(fact, task, attempt)? else {
            return Ok(());
        };
        if let Phase::Running { seen: Some(seen), .. } = &child.phase
            && seen.pod_name == pod_name
            && seen.started_at == started_at
            && seen.steps == steps
        {
            return Ok(());
        }
        self.change(Change::Running {
            task: task.to_owned(),
            pod_name: pod_name.to_owned(),
            started_at,
            steps: steps.to_vec(),
        })?;
        self.touch(task, false);
        Ok(())
    }

    pub(super) fn attempt_waits(&mut self, fact: &Fact, task: &str, attempt: u32, message: &str) -> Result<(), Error> {
        let Some(child) = self.current(fact, task, attempt)? else {
            return Ok(());
        };
        if !matches!(
            &child.phase,
            Phase::Running {
                seen: None,
                waits: None,
                ..
            }
        ) {
            return Ok(());
        }
        self.change(Change::Waits {
            task: task.to_owned(),
            message: message.to_owned(),
        })?;
        self.touch(task, false);
        Ok(())
    }

    pub(super) fn attempt_finished(
        &mut self,
        fact: &Fact,
        task: &str,
        attempt: u32,
        outcome: &AttemptOutcome,
    ) -> Result<(), Error> {
        let Some(child) = self.current(fact, task, attempt)? else {
            return Ok(());
        };
        let node = child.node;
        let verdict = self.verdict(child, outcome);
        let mut outcome = Box::new(outcome.clone());
        task::lift_results(self.state, node, &mut outcome);
        let deploys = self.state.plan().is_some_and(|plan| plan.nodes[node as usize].deploys);
        let own_status = if deploys { release::own_status(&outcome) } else { None };
        self.change(Change::Ended {
            task: task.to_owned(),
            attempt,
            at: self.at,
            verdict,
            outcome,
        })?;
        if deploys {
            self.deploy_ended(node, task, attempt, (verdict, own_status))?;
        }
        let is_retry = matches!(verdict, Verdict::Retried | Verdict::Rerun);
        if is_retry {
            self.effect(Effect::StartTask {
                task: task.to_owned(),
                attempt: attempt + 1,
                dispatch: 0,
            });
            self.deploy_started(node, task, attempt + 1);
        }
        self.touch(task, !is_retry);
        self.consequence(node)?;
        self.advance()
    }

    /// The first task of the graph that failed stops the run.
    pub(super) fn consequence(&mut self, node: u32) -> Result<(), Error> {
        let Some(plan) = self.state.plan() else { return Ok(()) };
        let of_node = &plan.nodes[node as usize];
        if of_node.is_finally || of_node.continues {
            return Ok(());
        }
        match self.state.verdict(node) {
            Some(Verdict::Failed | Verdict::Cancelled) => self.stop(Stop::TaskFailed, ""),
            _ => Ok(()),
        }
    }

    pub(super) fn attempt_returned(
        &mut self,
        fact: &Fact,
        task: &str,
        attempt: u32,
        (claim, message): (u64, &str),
    ) -> Result<(), Error> {
        let Some(child) = self.current(fact, task, attempt)? else {
            return Ok(());
        };
        if claim <= child.returned {
            return Ok(());
        }
        if let Phase::Running { cause: Some(cause), .. } = &child.phase {
            let outcome = ended_by_nobody(*cause, self.at);
            return self.attempt_finished(fact, task, attempt, &outcome);
        }
        let dispatch = child.dispatch + 1;
        if dispatch > self.state.limits.dispatches_max {
            let outcome = unplaced(child.dispatch, message, self.at);
            return self.attempt_finished(fact, task, attempt, &outcome);
        }
        self.change(Change::Returned {
            task: task.to_owned(),
            claim,
        })?;
        self.effect(Effect::StartTask {
            task: task.to_owned(),
            attempt,
            dispatch,
        });
        Ok(())
    }

    pub(super) fn child_changed(
        &mut self,
        fact: &Fact,
        name: &str,
        uid: &str,
        status: Option<&str>,
        deleting: bool,
    ) -> Result<(), Error> {
        let Some(task) = self.state.task_of_child(name) else {
            return Err(self.illegal(fact, "the run has no such TaskRun"));
        };
        if self.state.child_uid(name) != uid || !deleting && status != Some("TaskRunCancelled") {
            return Ok(());
        }
        self.end_attempt(&task, CancelCause::Task)
    }

    /// The child whose running attempt the fact is about; `None` when that attempt is over.
    fn current(&self, fact: &Fact, task: &str, attempt: u32) -> Result<Option<&Child>, Error> {
        let Some((_, child)) = self.state.child(task) else {
            return Err(self.illegal(fact, "no such task was started"));
        };
        if attempt > child.attempt || child.phase == Phase::Queued {
            return Err(self.illegal(fact, "this attempt was never dispatched"));
        }
        Ok(Some(child).filter(|child| child.attempt == attempt && child.is_running()))
    }

    /// What the end of a running attempt means.
    fn verdict(&self, child: &Child, outcome: &AttemptOutcome) -> Verdict {
        let Phase::Running { cause, .. } = &child.phase else {
            return Verdict::Failed;
        };
        match (&outcome.ending, cause) {
            (Ending::Succeeded, _) => Verdict::Succeeded,
            (_, Some(CancelCause::Run(_) | CancelCause::Task)) | (Ending::Cancelled, None) => Verdict::Cancelled,
            (Ending::Failed { reason, .. }, None) if FINAL_REASONS.contains(&reason.as_str()) => Verdict::Failed,
            (Ending::Lost { .. }, None) if child.reruns < self.reruns(child) => Verdict::Rerun,
            _ if self.retries_left(child) => Verdict::Retried,
            _ => Verdict::Failed,
        }
    }

    fn retries_left(&self, child: &Child) -> bool {
        // Told to end for its own time limit, and then the run ended too: nothing is repeated.
        if self.ends_attempts(child.node) {
            return false;
        }
        let retries = self.state.plan().map_or(0, |plan| plan.task(child.node).retries);
        child.attempt - child.reruns < retries
    }

    fn reruns(&self, child: &Child) -> u32 {
        let text = task::annotation(self.state, child.node, RERUN_WHEN_LOST);
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }
}

/// The end of an attempt that was told to end and of which no step had started.
fn ended_by_nobody(cause: CancelCause, at: Timestamp) -> AttemptOutcome {
    let ending = match cause.reason() {
        CancelReason::Cancelled => Ending::Cancelled,
        CancelReason::TimedOut => Ending::TimedOut,
    };
    unstarted(ending, at)
}

/// The end of an attempt whose pod nobody could make.
fn unplaced(dispatches: u32, message: &str, at: Timestamp) -> AttemptOutcome {
    let message = format!(
        "its pod could not be made, and it was dispatched again {dispatches} times (setting planner.dispatches-max); \
         the last runner said: {message}"
    );
    let reason = POD_FAILED.to_owned();
    unstarted(Ending::Failed { reason, message }, at)
}

fn unstarted(ending: Ending, at: Timestamp) -> AttemptOutcome {
    AttemptOutcome {
        ending,
        pod_name: String::new(),
        started_at: None,
        completed_at: at,
        steps: Vec::new(),
        step_times_us: Vec::new(),
        sidecars: Vec::new(),
        results: Vec::new(),
    }
}
