//! The last report of an attempt, which alone tells everything: an owner who heard nothing before knows
//! it too.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use tidemill_messages::plan::Plan;
use tidemill_messages::report::{ContainerReport, Failure, Report, ReportBody, WrittenResult};
use tidemill_messages::{AttemptOutcome, CancelReason};
use tidemill_resources::task_run::TerminationReason;

use crate::outcome::{End, Progress};

/// How an attempt ended, as its supervisor says it.
pub(super) struct Ending {
    at: Timestamp,
    /// Every container.
    pub(super) containers: Vec<ContainerReport>,
    results: Vec<WrittenResult>,
    failure: Option<Failure>,
    killed: Option<CancelReason>,
}

impl Ending {
    /// Of a report that says so; else the report comes back.
    pub(super) fn of(report: Report) -> Result<Self, Box<Report>> {
        match report.body {
            ReportBody::Finished {
                containers,
                results,
                failure,
                killed,
            } => Ok(Self {
                at: report.at,
                containers,
                results,
                failure,
                killed,
            }),
            _ => Err(Box::new(report)),
        }
    }

    /// The outcome; `image_id` says by a container's name what its image was.
    pub(super) fn outcome(self, pod: &Pod, plan: Plan, image_id: impl Fn(&str) -> String) -> AttemptOutcome {
        let mut progress = Progress::new(pod, plan);
        let starved = self.containers.iter().find_map(starved);
        for ContainerReport { container, end, at } in self.containers {
            if let Some(started_at) = end.started_at {
                progress.started(started_at);
                let container = container.clone();
                progress.take(started_at, &ReportBody::ContainerStarted { container });
            }
            progress.take(at, &ReportBody::ContainerFinished { container, end });
        }
        let end = End {
            cancelled: self.killed,
            failure: self.failure.as_ref().or(starved.as_ref()),
            results: &self.results,
        };
        let mut outcome = progress.outcome(self.at, end);
        outcome
            .steps
            .iter_mut()
            .for_each(|step| step.image_id = image_id(&step.container));
        outcome
    }
}

/// A step that failed for want of memory.
pub(super) fn starved(container: &ContainerReport) -> Option<Failure> {
    let end = &container.end;
    let failed = end.out_of_memory && end.reason == TerminationReason::Error;
    failed.then(|| Failure {
        reason: "StepOOM".to_owned(),
        message: format!(
            "container {} exited with code {} for want of memory: {}",
            container.container, end.exit_code, end.message
        ),
    })
}
