//! How a run ends, and how it stands before: its condition.

use std::borrow::Cow;

use tidemill_messages::RunKind;
use tidemill_resources::meta::{Condition, ConditionStatus};
use tidemill_resources::pipeline_run::PipelineRunResult;

use super::condition::stamped;
use super::{release, results};
use crate::child::Phase;
use crate::decision::Stop;
use crate::state::{NodePhase, RunState, Stage};

/// How a run ends.
pub(crate) struct Conclusion {
    pub(crate) status: ConditionStatus,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) results: Vec<PipelineRunResult>,
}

impl RunState {
    /// How the run ends, now that all its tasks are over.
    pub(crate) fn conclusion(&self) -> Conclusion {
        if self.kind() == Some(RunKind::TaskRun) {
            return self.task_run_conclusion();
        }
        let (status, reason) = self.verdict_of_run();
        let message = match self.stop() {
            Some(Stop::TimedOut) => self.timed_out_message(),
            Some(Stop::Cancelled) => format!("PipelineRun {:?} was cancelled", self.name()),
            Some(Stop::VolumeFailed) => self
                .stopped
                .as_ref()
                .map(|stopped| stopped.message.clone())
                .unwrap_or_default(),
            _ => self.tally() + &release::told(self),
        };
        let (results, problem) = results::of_run(self);
        match problem {
            Some(problem) if status == ConditionStatus::True => Conclusion {
                status: ConditionStatus::False,
                reason: "CouldntGetPipelineResult".to_owned(),
                message: problem,
                results,
            },
            _ => Conclusion {
                status,
                reason: reason.into_owned(),
                message,
                results,
            },
        }
    }

    fn verdict_of_run(&self) -> (ConditionStatus, Cow<'_, str>) {
        let counts = &self.live.counts;
        let reason = match self.stop() {
            Some(Stop::Cancelled) => "Cancelled",
            Some(Stop::TimedOut | Stop::FinallyTimedOut | Stop::TasksTimedOut) => "PipelineRunTimeout",
            Some(Stop::VolumeFailed) => "CouldntCreateWorkspacePVC",
            _ if counts.invalid > 0 => self.invalid_reason(),
            _ if counts.timed_out > 0 => "PipelineRunTimeout",
            _ if counts.failed > 0 => return (ConditionStatus::False, self.failed_reason()),
            Some(Stop::GracefullyCancelled | Stop::GracefullyStopped) => "Cancelled",
            _ if counts.cancelled > 0 => "Cancelled",
            _ if counts.skipped > 0 => return (ConditionStatus::True, "Completed".into()),
            _ => return (ConditionStatus::True, "Succeeded".into()),
        };
        (ConditionStatus::False, reason.into())
    }

    /// `Failed`, or what became of the release that was not deployed.
    fn failed_reason(&self) -> Cow<'static, str> {
        match self.fallen() {
            Some(fallen) => release::reason(&fallen),
            None => "Failed".into(),
        }
    }

    /// Reason of the first task that could not run.
    fn invalid_reason(&self) -> &str {
        let reasons = self.nodes.iter().find_map(|phase| match phase {
            NodePhase::Invalid { reason, .. } => Some(reason.as_str()),
            _ => None,
        });
        reasons.unwrap_or_default()
    }

    fn timed_out_message(&self) -> String {
        let limit = self.plan().and_then(|plan| plan.limits.pipeline).unwrap_or_default();
        format!(
            "PipelineRun {:?} failed to finish within {:?}",
            self.name(),
            limit.to_string()
        )
    }

    fn task_run_conclusion(&self) -> Conclusion {
        let (status, reason, message) = match self.children.first() {
            Some(child) if child.exists() => {
                let condition = self.child_condition(child);
                (condition.status, condition.reason, condition.message)
            }
            _ => {
                let message = format!("TaskRun {:?} was cancelled", self.name());
                (ConditionStatus::False, "TaskRunCancelled".to_owned(), message)
            }
        };
        Conclusion {
            status,
            reason,
            message,
            results: Vec::new(),
        }
    }

    /// The sentence that counts tasks by their end.
    fn tally(&self) -> String {
        let counts = &self.live.counts;
        let completed = counts.succeeded + counts.failed + counts.ignored + counts.cancelled;
        let failed = match counts.ignored {
            0 => format!("Failed: {}", counts.failed),
            ignored => format!("Failed: {} (Ignored: {ignored})", counts.failed + ignored),
        };
        let incomplete = match self.nodes.len() as u32 - counts.ended() {
            0 => String::new(),
            incomplete => format!(" Incomplete: {incomplete},"),
        };
        let mut text = format!(
            "Tasks Completed: {completed} ({failed}, Cancelled {}),{incomplete} Skipped: {}",
            counts.cancelled, counts.skipped
        );
        for phase in &self.nodes {
            if let NodePhase::Invalid { message, .. } = phase {
                text.push_str(&format!(". [User error] {message}"));
            }
        }
        text
    }

    /// The condition of the run's own object.
    pub(super) fn run_condition(&self) -> Condition {
        if let Some(end) = &self.end {
            let condition = Condition::succeeded(end.status, end.reason.clone(), end.message.clone());
            return stamped(condition, end.at);
        }
        let (reason, message) = match (self.stage, self.kind()) {
            (Stage::Running, Some(RunKind::TaskRun)) => match self.children.first() {
                Some(child) if child.exists() => return self.child_condition(child),
                _ => ("Started", String::new()),
            },
            (Stage::Running, _) => (
                self.running_reason(),
                self.tally() + &release::told(self) + &self.waiting(),
            ),
            (Stage::Pending, Some(RunKind::TaskRun)) => ("TaskRunPending", self.pending_message("TaskRun")),
            (Stage::Pending, _) => ("PipelineRunPending", self.pending_message("PipelineRun")),
            (Stage::Resolving, Some(RunKind::TaskRun)) => {
                ("ResolvingTaskRef", "looking up what it refers to".to_owned())
            }
            (Stage::Resolving, _) => ("ResolvingPipelineRef", "looking up what it refers to".to_owned()),
            (Stage::New | Stage::Ignored | Stage::Over, _) => ("Started", String::new()),
        };
        let condition = Condition::succeeded(ConditionStatus::Unknown, reason, message);
        match self.started_at.or(self.seen_at) {
            Some(at) => stamped(condition, at),
            None => condition,
        }
    }

    /// What the first task waits for that no runner takes.
    fn waiting(&self) -> String {
        let waits = self.children.iter().find_map(|child| match &child.phase {
            Phase::Running {
                seen: None,
                waits: Some(message),
                ..
            } => Some(format!(". Task {:?} waits: {message}", child.key)),
            _ => None,
        });
        waits.unwrap_or_default()
    }

    fn pending_message(&self, kind: &str) -> String {
        format!("{kind} {:?} is pending", self.name())
    }

    fn running_reason(&self) -> &'static str {
        match self.stop() {
            None => "Running",
            Some(Stop::TaskFailed) if self.finally_started_at.is_some() || self.has_finally() => "Running",
            Some(Stop::TaskFailed | Stop::Cancelled | Stop::VolumeFailed | Stop::TimedOut | Stop::FinallyTimedOut) => {
                "PipelineRunStopping"
            }
            Some(Stop::GracefullyCancelled) => "CancelledRunningFinally",
            Some(Stop::GracefullyStopped) => "StoppedRunningFinally",
            Some(Stop::TasksTimedOut) => "PipelineRunTimeoutRunningFinally",
        }
    }

    fn has_finally(&self) -> bool {
        self.plan().is_some_and(|plan| !plan.spec.finally.is_empty())
    }
}
