//! Trace context of a run and its attempts, and what spans tell of them.
//!
//! Everything here follows from the state: whoever has read the log knows the same ids, names and times.

use jiff::Timestamp;
use tidemill_messages::trace::{ANNOTATION_PIPELINE_RUN, ANNOTATION_TASK_RUN, Span, Traceparent};
use tidemill_messages::{AttemptOutcome, RunKind};
use tidemill_resources::meta::ConditionStatus;

use crate::child::Phase;
use crate::decision::CancelCause;
use crate::state::RunState;

/// A run, as its span tells of it.
#[derive(Clone, Debug)]
pub struct RunView<'a> {
    /// Its kind.
    pub kind: RunKind,
    /// Its pipeline; for a TaskRun the run's own name.
    pub pipeline: &'a str,
    /// When it was first seen.
    pub seen_at: Timestamp,
    /// When everything it refers to was found.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Timestamp,
    /// Whether it succeeded.
    pub status: ConditionStatus,
    /// Reason of its condition.
    pub reason: &'a str,
    /// Message of its condition.
    pub message: &'a str,
}

/// An attempt that is over, as its spans tell of it.
#[derive(Clone, Debug)]
pub struct AttemptView<'a> {
    /// The pipeline task.
    pub pipeline_task: &'a str,
    /// Name of the TaskRun.
    pub task_run: String,
    /// UID of the TaskRun.
    pub task_run_uid: String,
    /// Class of runners it was for; empty where that is not known.
    pub class: String,
    /// Whether it deploys a release.
    pub deploys: bool,
    /// When it was dispatched.
    pub since: Timestamp,
    /// Why it was told to end.
    pub cause: Option<CancelCause>,
    /// How it ended.
    pub outcome: &'a AttemptOutcome,
}

/// The trace the run is part of, and its caller in it; `None`: its own.
#[must_use]
pub fn parent_context(state: &RunState) -> Option<Traceparent> {
    let run = state.run()?;
    let key = match run.kind() {
        RunKind::PipelineRun => ANNOTATION_PIPELINE_RUN,
        RunKind::TaskRun => ANNOTATION_TASK_RUN,
    };
    Traceparent::from_json(run.annotation(key)?)
}

/// The run's span.
#[must_use]
pub fn run_context(state: &RunState) -> Traceparent {
    let run = Span::Run { uid: state.uid() };
    parent_context(state).map_or_else(|| Traceparent::root(run), |parent| parent.span(run))
}

/// The span of an attempt.
#[must_use]
pub fn attempt_context(state: &RunState, task: &str, attempt: u32) -> Traceparent {
    run_context(state).span(Span::Attempt {
        uid: state.uid(),
        task,
        attempt,
    })
}

/// The run, once it is over.
#[must_use]
pub fn run(state: &RunState) -> Option<RunView<'_>> {
    let (run, end) = (state.run()?, state.end.as_ref()?);
    Some(RunView {
        kind: run.kind(),
        pipeline: state.plan().map_or(run.name(), |plan| &plan.name),
        seen_at: state.seen_at.unwrap_or(end.at),
        started_at: state.started_at,
        ended_at: end.at,
        status: end.status,
        reason: &end.reason,
        message: &end.message,
    })
}

/// An attempt, once it is over; `None` also for one that was never dispatched.
#[must_use]
pub fn attempt<'a>(state: &'a RunState, task: &str, attempt: u32) -> Option<AttemptView<'a>> {
    let (_, child) = state.child(task)?;
    let plan = state.plan()?;
    let (since, cause, outcome) = match (child.past.get(attempt as usize), &child.phase) {
        (Some(past), _) => (past.since, past.cause, &past.outcome),
        (
            None,
            Phase::Over {
                since: Some(since),
                cause,
                outcome,
                ..
            },
        ) if attempt == child.attempt => (*since, *cause, outcome),
        _ => return None,
    };
    let task_run = state.name_of(child);
    let class = crate::task::dispatch(state, task).map(|place| place.class);
    Some(AttemptView {
        pipeline_task: plan.task_name(child.node),
        task_run_uid: state.child_uid(&task_run),
        task_run,
        class: class.unwrap_or_default(),
        deploys: plan.nodes[child.node as usize].deploys,
        since,
        cause,
        outcome,
    })
}
