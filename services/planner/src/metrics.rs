//! What is counted of decisions, after what follows from them is on its way.

use jiff::SignedDuration;
use tidemill_engine::{Change, RunState, trace};
use tidemill_messages::{Ending, RunKind};
use tidemill_resources::meta::ConditionStatus;
use tidemill_telemetry::metrics::catalogue;

/// Counts what a decision ended.
pub(crate) fn count(state: &RunState, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Ended { task, attempt, .. } => attempt_ended(state, task, *attempt),
            Change::Over { .. } => run_ended(state),
            _ => {}
        }
    }
}

fn attempt_ended(state: &RunState, task: &str, attempt: u32) {
    let Some(view) = trace::attempt(state, task, attempt) else {
        return;
    };
    let outcome = view.outcome;
    let status = match outcome.ending {
        Ending::Succeeded => "success",
        Ending::Cancelled => "cancelled",
        Ending::Failed { .. } | Ending::TimedOut | Ending::Lost { .. } => "failed",
    };
    catalogue::TASK_RUNS.of(&[status]).increment();
    let durations = match state.kind() {
        Some(RunKind::PipelineRun) => &catalogue::PIPELINE_TASK_DURATION,
        _ => &catalogue::TASK_RUN_DURATION,
    };
    durations
        .of(&[status])
        .observe_signed(outcome.completed_at.duration_since(view.since));
    let Some(started) = outcome.started_at else { return };
    let class = [view.class.as_str()];
    catalogue::QUEUE_WAIT
        .of(&class)
        .observe_signed(started.duration_since(view.since));
    if let Some(first) = outcome.step_times_us.iter().map(|(start, _)| *start).min() {
        catalogue::STEP_START
            .of(&class)
            .observe_signed(SignedDuration::from_micros(first));
    }
}

fn run_ended(state: &RunState) {
    let Some(view) = trace::run(state).filter(|view| view.kind == RunKind::PipelineRun) else {
        return;
    };
    let status = match view.status {
        ConditionStatus::True => "success",
        _ if view.reason.contains("Cancel") => "cancelled",
        _ => "failed",
    };
    let since = view.started_at.unwrap_or(view.seen_at);
    catalogue::PIPELINE_RUNS.of(&[status]).increment();
    catalogue::PIPELINE_RUN_DURATION
        .of(&[status])
        .observe_signed(view.ended_at.duration_since(since));
}
