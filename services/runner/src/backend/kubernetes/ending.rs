//! How an attempt in a pod ended: what its steps reported, completed by what the pod shows.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use tidemill_messages::plan::Plan;
use tidemill_messages::report::{ContainerReport, Failure, Report, ReportBody};
use tidemill_messages::{AttemptOutcome, CancelReason};
use tidemill_resources::Time;
use tidemill_resources::task_run::SidecarState;

use super::reasons::{self, Trouble};
use crate::backend::ending::starved;
use crate::outcome::{End, Progress};

/// Words of a step that was asked to end from outside.
const ASKED_TO_END: &str = "(SIGTERM)";

/// What is known of an attempt.
pub(super) struct Account {
    built: Pod,
    plan: Plan,
    progress: Progress,
    step_started: bool,
}

impl Account {
    /// Nothing has happened yet to `built`.
    pub(super) fn new(built: &Pod, plan: Plan) -> Self {
        Self {
            progress: Progress::new(built, plan.clone()),
            built: built.clone(),
            plan,
            step_started: false,
        }
    }

    /// Whether containers beside the steps run until somebody ends them.
    pub(super) fn has_sidecars(&self) -> bool {
        let spec = self.built.spec.as_ref();
        spec.is_some_and(|spec| spec.containers.len() > self.plan.steps.len())
    }

    /// Takes a report in.
    pub(super) fn take(&mut self, report: &Report) {
        self.step_started = true;
        self.progress.take(report.at, &report.body);
    }

    /// Takes in what the pod shows.
    pub(super) fn see(&mut self, pod: &Pod) {
        self.step_started |= reasons::has_step_started(pod);
    }

    /// Whether a step may have run.
    pub(super) fn has_step_started(&self) -> bool {
        self.step_started
    }

    /// Whether a step of this last report failed since its container was asked to end.
    pub(super) fn was_asked_to_end(report: &Report) -> bool {
        let ReportBody::Finished { containers, .. } = &report.body else {
            return false;
        };
        containers
            .iter()
            .any(|container| container.end.message.contains(ASKED_TO_END))
    }

    /// The outcome by the last report, which alone tells everything, so that an owner who heard nothing
    /// before knows it too. `disturbance` is why a step was asked to end.
    pub(super) fn finished(&self, report: Report, pod: Option<&Pod>, disturbance: Option<Trouble>) -> AttemptOutcome {
        let ReportBody::Finished {
            containers,
            results,
            failure,
            killed,
        } = report.body
        else {
            return self.progress.clone().outcome(report.at, End::default());
        };
        let starved = containers.iter().find_map(starved);
        let mut progress = Progress::new(&self.built, self.plan.clone());
        for ContainerReport { container, end, at } in containers {
            if let Some(started_at) = end.started_at {
                progress.started(started_at);
                let container = container.clone();
                progress.take(started_at, &ReportBody::ContainerStarted { container });
            }
            progress.take(at, &ReportBody::ContainerFinished { container, end });
        }
        let disturbance = disturbance.map(|trouble| failure_of(&trouble));
        let end = End {
            cancelled: killed,
            failure: failure.as_ref().or(disturbance.as_ref()).or(starved.as_ref()),
            results: &results,
        };
        complete(progress.outcome(report.at, end), pod)
    }

    /// The outcome of an attempt that `trouble` ended.
    pub(super) fn failed(&self, trouble: &Trouble, pod: Option<&Pod>) -> AttemptOutcome {
        let failure = failure_of(trouble);
        let end = End {
            failure: Some(&failure),
            ..End::default()
        };
        complete(self.progress.clone().outcome(Timestamp::now(), end), pod)
    }

    /// The outcome of an attempt that was killed and had no last word.
    pub(super) fn killed(&self, reason: CancelReason, pod: Option<&Pod>) -> AttemptOutcome {
        let end = End {
            cancelled: Some(reason),
            ..End::default()
        };
        complete(self.progress.clone().outcome(Timestamp::now(), end), pod)
    }
}

fn failure_of(trouble: &Trouble) -> Failure {
    Failure {
        reason: trouble.reason.clone(),
        message: trouble.message.clone(),
    }
}

/// Adds what only the pod knows: images, sidecars.
fn complete(mut outcome: AttemptOutcome, pod: Option<&Pod>) -> AttemptOutcome {
    let status = pod.and_then(|pod| pod.status.as_ref());
    for step in &mut outcome.steps {
        let statuses = status
            .into_iter()
            .flat_map(|status| status.container_statuses.iter().flatten());
        if let Some(found) = find(statuses, &step.container) {
            step.image_id.clone_from(&found.image_id);
        }
    }
    let completed_at = outcome.completed_at;
    for sidecar in &mut outcome.sidecars {
        let statuses = status
            .into_iter()
            .flat_map(|status| status.init_container_statuses.iter().flatten());
        let found = find(statuses, &sidecar.container);
        end_sidecar(sidecar, found, completed_at);
    }
    outcome
}

fn find<'a>(mut statuses: impl Iterator<Item = &'a ContainerStatus>, name: &str) -> Option<&'a ContainerStatus> {
    statuses.find(|status| status.name == name)
}

/// One that is ended with the task ended well, as Tekton has it.
fn end_sidecar(sidecar: &mut SidecarState, status: Option<&ContainerStatus>, at: Timestamp) {
    let Some(status) = status else { return };
    sidecar.image_id.clone_from(&status.image_id);
    let Some(state) = &status.state else { return };
    sidecar.waiting.clone_from(&state.waiting);
    sidecar.terminated.clone_from(&state.terminated);
    if let Some(running) = &state.running {
        sidecar.terminated = Some(ContainerStateTerminated {
            exit_code: 0,
            reason: Some("Completed".to_owned()),
            started_at: running.started_at.clone(),
            finished_at: Some(Time(at)),
            ..ContainerStateTerminated::default()
        });
    }
}
