//! States of containers, as Kubernetes and Tekton write them.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting};
use tidemill_messages::CancelReason;
use tidemill_messages::report::ContainerEnd;
use tidemill_resources::Time;
use tidemill_resources::task_run::{SidecarState, StepState, TerminationReason};

use super::{is_failure, plain_name};

/// Kubernetes' reason for a container that the kernel ended for want of memory.
const OUT_OF_MEMORY: &str = "OOMKilled";

pub(super) fn new_step(container: &str) -> StepState {
    StepState {
        waiting: Some(not_yet()),
        name: plain_name(container),
        container: container.to_owned(),
        ..StepState::default()
    }
}

pub(super) fn new_sidecar(container: &str) -> SidecarState {
    SidecarState {
        waiting: Some(not_yet()),
        name: plain_name(container),
        container: container.to_owned(),
        ..SidecarState::default()
    }
}

fn not_yet() -> ContainerStateWaiting {
    ContainerStateWaiting {
        reason: Some("PodInitializing".to_owned()),
        message: None,
    }
}

pub(super) fn run(
    waiting: &mut Option<ContainerStateWaiting>,
    running: &mut Option<ContainerStateRunning>,
    at: Timestamp,
) {
    if waiting.take().is_some() {
        *running = Some(ContainerStateRunning {
            started_at: Some(Time(at)),
        });
    }
}

pub(super) fn terminate_step(step: &mut StepState, at: Timestamp, end: &ContainerEnd) {
    step.waiting = None;
    step.running = None;
    step.terminated = Some(terminated(at, end));
    step.termination_reason = Some(end.reason);
}

pub(super) fn terminate_sidecar(sidecar: &mut SidecarState, at: Timestamp, end: &ContainerEnd) {
    sidecar.waiting = None;
    sidecar.running = None;
    sidecar.terminated = Some(terminated(at, end));
}

/// A step nobody reported the end of, in an attempt that is over.
pub(super) fn end_unfinished(step: &mut StepState, at: Timestamp, cancelled: Option<CancelReason>, message: &str) {
    let (word, reason) = match cancelled {
        Some(CancelReason::Cancelled) => ("TaskRunCancelled", TerminationReason::Cancelled),
        Some(CancelReason::TimedOut) => ("TaskRunTimeout", TerminationReason::TimeoutExceeded),
        None => ("Error", TerminationReason::Error),
    };
    let started_at = step.running.take().and_then(|running| running.started_at);
    step.waiting = None;
    step.terminated = Some(ContainerStateTerminated {
        exit_code: 1,
        reason: Some(word.to_owned()),
        message: Some(message.to_owned()),
        finished_at: Some(Time(at)),
        // A state without a start is one no tool expects.
        started_at: started_at.or(Some(Time(at))),
        ..ContainerStateTerminated::default()
    });
    step.termination_reason = Some(reason);
}

/// Start and end of each step in microseconds since `start`; all of them are over.
pub(super) fn times_us(steps: &[StepState], start: Timestamp) -> Vec<(i64, i64)> {
    let since = |at: &Time| at.0.as_microsecond() - start.as_microsecond();
    let of = |step: &StepState| {
        let terminated = step.terminated.as_ref();
        let end = terminated.and_then(|state| state.finished_at.as_ref()).map_or(0, since);
        let begin = terminated
            .and_then(|state| state.started_at.as_ref())
            .map_or(end, since);
        (begin, end)
    };
    steps.iter().map(of).collect()
}

/// Why the attempt failed, if this step is the reason.
pub(super) fn failure(step: &StepState) -> Option<String> {
    let terminated = step.terminated.as_ref()?;
    let reason = step.termination_reason.filter(|reason| is_failure(*reason))?;
    let what = match reason {
        TerminationReason::TimeoutExceeded => "exceeded its time limit".to_owned(),
        TerminationReason::Cancelled => "was cancelled".to_owned(),
        _ if terminated.reason.as_deref() == Some(OUT_OF_MEMORY) => {
            format!("exited with code {} ({OUT_OF_MEMORY})", terminated.exit_code)
        }
        _ => format!("exited with code {}", terminated.exit_code),
    };
    let detail = terminated.message.as_deref().map(|message| format!(": {message}"));
    Some(format!("step {:?} {what}{}", step.name, detail.unwrap_or_default()))
}

fn terminated(at: Timestamp, end: &ContainerEnd) -> ContainerStateTerminated {
    // A failure the task may go on after shows as completed, with its exit code.
    let is_well = end.exit_code == 0 || end.reason == TerminationReason::Continued;
    let reason = match is_well {
        true => "Completed",
        false if end.out_of_memory => OUT_OF_MEMORY,
        false => "Error",
    };
    ContainerStateTerminated {
        exit_code: end.exit_code,
        reason: Some(reason.to_owned()),
        message: (!end.message.is_empty()).then(|| end.message.clone()),
        finished_at: Some(Time(at)),
        started_at: Some(Time(end.started_at.unwrap_or(at))),
        ..ContainerStateTerminated::default()
    }
}
