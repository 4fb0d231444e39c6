//! From reports to what a TaskRun shows: states of steps, results with their types, the ending.
//!
//! A backend feeds every report of an attempt to a [`Progress`] and makes the attempt's outcome of it;
//! the core keeps one too, for the status of attempts that still run.

mod results;
mod states;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use tidemill_messages::plan::{Plan, SIDECAR_PREFIX, STEP_PREFIX};
use tidemill_messages::report::{ContainerEnd, Failure, ReportBody, WrittenResult};
use tidemill_messages::{AttemptOutcome, CancelReason, Ending};
use tidemill_resources::task_run::{SidecarState, StepState, TerminationReason};

/// Reason of an attempt in which a step failed.
const REASON_FAILED: &str = "Failed";
/// Reason of an attempt whose results are not of their declared types.
const REASON_RESULTS: &str = "TaskRunValidationFailed";

/// What is known of an attempt: grows with each report.
#[derive(Clone, Debug)]
pub struct Progress {
    plan: Plan,
    pod_name: String,
    started_at: Option<Timestamp>,
    steps: Vec<StepState>,
    sidecars: Vec<SidecarState>,
    step_results: Vec<(String, Vec<WrittenResult>)>,
}

/// How an attempt came to its end, as far as steps do not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct End<'a> {
    /// It was ended from outside.
    pub cancelled: Option<CancelReason>,
    /// It failed for another reason than a step's exit code.
    pub failure: Option<&'a Failure>,
    /// Contents of the result files.
    pub results: &'a [WrittenResult],
}

impl Progress {
    /// Nothing has happened yet to `pod`, which was made after `plan`.
    #[must_use]
    pub fn new(pod: &Pod, plan: Plan) -> Self {
        Self {
            pod_name: pod.metadata.name.clone().unwrap_or_default(),
            started_at: None,
            steps: plan
                .steps
                .iter()
                .map(|step| states::new_step(&step.container))
                .collect(),
            sidecars: plan
                .sidecars
                .iter()
                .map(|sidecar| states::new_sidecar(&sidecar.container))
                .collect(),
            step_results: Vec::new(),
            plan,
        }
    }

    /// The sandbox was let go at `at`.
    pub fn started(&mut self, at: Timestamp) {
        self.started_at.get_or_insert(at);
    }

    /// When it was let go.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }

    /// Name of the pod.
    #[must_use]
    pub fn pod_name(&self) -> &str {
        &self.pod_name
    }

    /// States of the steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[StepState] {
        &self.steps
    }

    /// Whether the first process of a step was started.
    #[must_use]
    pub fn has_step_started(&self) -> bool {
        self.steps_started() > 0
    }

    /// How many steps were started.
    #[must_use]
    pub fn steps_started(&self) -> usize {
        self.steps.iter().filter(|step| step.waiting.is_none()).count()
    }

    /// Takes a report in. Output, and containers the plan does not know, change nothing.
    pub fn take(&mut self, at: Timestamp, body: &ReportBody) {
        match body {
            ReportBody::ContainerStarted { container } => self.container_started(container, at),
            ReportBody::ContainerFinished { container, end } => self.container_finished(container, at, end),
            ReportBody::Log { .. } | ReportBody::Finished { .. } => {}
        }
    }

    fn container_started(&mut self, container: &str, at: Timestamp) {
        self.started(at);
        if let Some(step) = self.step(container) {
            states::run(&mut step.waiting, &mut step.running, at);
        } else if let Some(sidecar) = self.sidecar(container) {
            states::run(&mut sidecar.waiting, &mut sidecar.running, at);
        }
    }

    fn container_finished(&mut self, container: &str, at: Timestamp, end: &ContainerEnd) {
        let declared = self.plan.steps.iter().find(|step| step.container == container);
        let results = declared.map(|step| results::typed(&step.results, &end.results).values);
        if let Some(step) = self.step(container) {
            states::terminate_step(step, at, end);
            step.results = results.unwrap_or_default();
            self.step_results.push((container.to_owned(), end.results.clone()));
        } else if let Some(sidecar) = self.sidecar(container) {
            states::terminate_sidecar(sidecar, at, end);
        }
    }

    fn step(&mut self, container: &str) -> Option<&mut StepState> {
        self.steps.iter_mut().find(|step| step.container == container)
    }

    fn sidecar(&mut self, container: &str) -> Option<&mut SidecarState> {
        self.sidecars.iter_mut().find(|sidecar| sidecar.container == container)
    }

    /// The outcome of the attempt, which ended at `at`.
    #[must_use]
    pub fn outcome(mut self, at: Timestamp, end: End<'_>) -> AttemptOutcome {
        let written = [end.results, &self.lifted_results()].concat();
        let results = results::typed(&self.plan.results, &written);
        let ending = self.ending(&end, &results.faults);
        let message = format!("its pod {} ended before it did", self.pod_name);
        for step in self.steps.iter_mut().filter(|step| step.terminated.is_none()) {
            states::end_unfinished(step, at, end.cancelled, &message);
        }
        AttemptOutcome {
            ending,
            pod_name: self.pod_name,
            started_at: self.started_at,
            completed_at: at,
            step_times_us: self
                .started_at
                .map_or_else(Vec::new, |start| states::times_us(&self.steps, start)),
            steps: self.steps,
            sidecars: self.sidecars,
            results: results.values,
        }
    }

    fn ending(&self, end: &End<'_>, faults: &[String]) -> Ending {
        match (end.cancelled, end.failure) {
            (Some(CancelReason::Cancelled), _) => return Ending::Cancelled,
            (Some(CancelReason::TimedOut), _) => return Ending::TimedOut,
            (None, Some(failure)) => return failed(&failure.reason, failure.message.clone()),
            (None, None) => {}
        }
        if let Some(message) = self.steps.iter().find_map(states::failure) {
            return failed(REASON_FAILED, message);
        }
        if faults.is_empty() {
            return Ending::Succeeded;
        }
        failed(
            REASON_RESULTS,
            format!("results are not as declared: {}", faults.join("; ")),
        )
    }

    /// Results of the task that are results of a step: `value: $(steps.<step>.results.<result>)`.
    fn lifted_results(&self) -> Vec<WrittenResult> {
        let declared = self.plan.results.iter();
        let lifted = declared.filter_map(|result| {
            let (step, name) = results::step_reference(result)?;
            let container = format!("{STEP_PREFIX}{step}");
            let (_, written) = self.step_results.iter().find(|(of, _)| *of == container)?;
            let found = written.iter().find(|written| written.name == name)?;
            Some(WrittenResult {
                name: result.name.clone(),
                value: found.value.clone(),
            })
        });
        lifted.collect()
    }
}

fn failed(reason: &str, message: String) -> Ending {
    Ending::Failed {
        reason: reason.to_owned(),
        message,
    }
}

/// The name of a step or sidecar, without its container's prefix.
fn plain_name(container: &str) -> String {
    let name = container
        .strip_prefix(STEP_PREFIX)
        .or_else(|| container.strip_prefix(SIDECAR_PREFIX));
    name.unwrap_or(container).to_owned()
}

/// Whether the step is one that the attempt fails for.
fn is_failure(reason: TerminationReason) -> bool {
    matches!(
        reason,
        TerminationReason::Error | TerminationReason::TimeoutExceeded | TerminationReason::Cancelled
    )
}

#[cfg(test)]
mod tests;
