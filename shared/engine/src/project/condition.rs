//! The condition of a TaskRun.

use jiff::Timestamp;
use tidemill_messages::{AttemptOutcome, Ending};
use tidemill_resources::meta::{Condition, ConditionStatus, Time};

use crate::child::{Child, Phase};
use crate::decision::{CancelCause, Stop, Verdict};
use crate::state::RunState;

/// Reason of a task that failed and may.
const FAILURE_IGNORED: &str = "FailureIgnored";
const RUNNING_MESSAGE: &str = "Not all Steps in the Task have finished executing";

impl RunState {
    /// The condition of a child that exists.
    pub(crate) fn child_condition(&self, child: &Child) -> Condition {
        let (status, reason, message, at) = match &child.phase {
            Phase::Running { since, seen, waits, .. } => {
                let (reason, message) = match (seen, waits) {
                    (Some(_), _) => ("Running", RUNNING_MESSAGE),
                    (None, Some(message)) => ("Pending", message.as_str()),
                    (None, None) if child.attempt > 0 => ("ToBeRetried", RUNNING_MESSAGE),
                    (None, None) => ("Started", RUNNING_MESSAGE),
                };
                (ConditionStatus::Unknown, reason.to_owned(), message.to_owned(), *since)
            }
            Phase::Over {
                at,
                verdict,
                cause,
                outcome,
                ..
            } => {
                let (status, reason, message) = self.outcome_of(child, *verdict, *cause, outcome);
                (status, reason, message, *at)
            }
            Phase::Queued | Phase::Dropped => (
                ConditionStatus::Unknown,
                "Pending".to_owned(),
                String::new(),
                self.started_at.unwrap_or_default(),
            ),
        };
        stamped(Condition::succeeded(status, reason, message), at)
    }

    /// The condition an earlier attempt ended with.
    pub(super) fn past_condition(
        &self,
        child: &Child,
        cause: Option<CancelCause>,
        outcome: &AttemptOutcome,
    ) -> Condition {
        let (status, reason, message) = self.outcome_of(child, Verdict::Retried, cause, outcome);
        stamped(Condition::succeeded(status, reason, message), outcome.completed_at)
    }

    fn outcome_of(
        &self,
        child: &Child,
        verdict: Verdict,
        cause: Option<CancelCause>,
        outcome: &AttemptOutcome,
    ) -> (ConditionStatus, String, String) {
        if verdict == Verdict::Succeeded {
            return (
                ConditionStatus::True,
                "Succeeded".to_owned(),
                "All Steps have completed executing".to_owned(),
            );
        }
        let (reason, message) = match (cause, &outcome.ending) {
            (Some(CancelCause::Timeout), _) => ("TaskRunTimeout".to_owned(), self.timed_out(child)),
            (Some(cause), _) => ("TaskRunCancelled".to_owned(), self.cancelled(child, cause)),
            (None, Ending::Failed { reason, message }) => (reason.clone(), message.clone()),
            (None, Ending::Lost { message }) => ("RunnerLost".to_owned(), message.clone()),
            (None, Ending::TimedOut) => ("TaskRunTimeout".to_owned(), self.timed_out(child)),
            (None, Ending::Cancelled | Ending::Succeeded) => {
                ("TaskRunCancelled".to_owned(), self.cancelled(child, CancelCause::Task))
            }
        };
        let continues = self
            .plan()
            .is_some_and(|plan| plan.nodes[child.node as usize].continues);
        let reason = if continues && verdict == Verdict::Failed {
            FAILURE_IGNORED.to_owned()
        } else {
            reason
        };
        (ConditionStatus::False, reason, message)
    }

    fn timed_out(&self, child: &Child) -> String {
        let limit = self
            .plan()
            .and_then(|plan| plan.nodes[child.node as usize].timeout)
            .unwrap_or_default();
        format!(
            "TaskRun {:?} failed to finish within {:?}",
            self.name_of(child),
            limit.to_string()
        )
    }

    fn cancelled(&self, child: &Child, cause: CancelCause) -> String {
        let why = match cause {
            CancelCause::Run(Stop::Cancelled) if self.kind() == Some(tidemill_messages::RunKind::TaskRun) => self
                .stopped
                .as_ref()
                .map(|stopped| stopped.message.clone())
                .unwrap_or_default(),
            CancelCause::Run(stop) if stop.is_timeout() => {
                "TaskRun cancelled as the PipelineRun it belongs to has timed out.".to_owned()
            }
            CancelCause::Run(Stop::VolumeFailed) => "A claim of the PipelineRun could not be created.".to_owned(),
            CancelCause::Run(_) => "TaskRun cancelled as the PipelineRun it belongs to has been cancelled.".to_owned(),
            CancelCause::Task | CancelCause::Timeout => String::new(),
        };
        let separator = if why.is_empty() { "" } else { ". " };
        format!("TaskRun {:?} was cancelled{separator}{why}", self.name_of(child))
    }

    /// Name of a child's TaskRun.
    pub(crate) fn name_of(&self, child: &Child) -> String {
        let first = self.first_child(child.node).unwrap_or_default() as usize;
        let index = self
            .live
            .children
            .get(&child.key)
            .map_or(0, |position| *position as usize - first);
        self.child_name(child.node, index)
    }
}

/// A condition with the time it came to be.
pub(super) fn stamped(mut condition: Condition, at: Timestamp) -> Condition {
    condition.last_transition_time = Some(Time(at));
    condition
}
