//! One task of the run that was, or is to be, dispatched: its attempts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidemill_messages::AttemptOutcome;
use tidemill_resources::Param;
use tidemill_resources::task_run::StepState;

use crate::decision::{CancelCause, Verdict};

/// A TaskRun of the run: a pipeline task, or one combination of its matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Child {
    /// Key of the task in the run.
    pub(crate) key: String,
    /// Position of its pipeline task in the plan.
    pub(crate) node: u32,
    /// What its combination of the matrix adds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) combination: Vec<Param>,
    /// Attempt, from 0.
    pub(crate) attempt: u32,
    /// How often the attempt was dispatched again.
    #[serde(default)]
    pub(crate) dispatch: u32,
    /// Claim of the last return.
    #[serde(default)]
    pub(crate) returned: u64,
    /// Attempts that do not count as `retries`.
    #[serde(default)]
    pub(crate) reruns: u32,
    /// Attempts before this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) past: Vec<Past>,
    /// Where it stands.
    pub(crate) phase: Phase,
}

/// An attempt that was followed by another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Past {
    /// When it was dispatched.
    pub(crate) since: Timestamp,
    /// Why it was told to end.
    pub(crate) cause: Option<CancelCause>,
    /// How it ended.
    pub(crate) outcome: Box<AttemptOutcome>,
}

/// What is known of a running attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seen {
    /// Name of the pod.
    pub(crate) pod_name: String,
    /// When it was started.
    pub(crate) started_at: Timestamp,
    /// States of the steps.
    pub(crate) steps: Vec<StepState>,
}

/// Where a child stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Phase {
    /// Ready, waits for room.
    Queued,
    /// Dispatched and not over.
    Running {
        /// When it was dispatched.
        since: Timestamp,
        /// What is known of it.
        seen: Option<Seen>,
        /// What it waits for, where no runner takes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waits: Option<String>,
        /// Why it was told to end.
        cause: Option<CancelCause>,
    },
    /// Over.
    Over {
        /// When the last attempt was dispatched; `None` if it never was.
        since: Option<Timestamp>,
        /// When the engine was told.
        at: Timestamp,
        /// What it means.
        verdict: Verdict,
        /// Why it was told to end.
        cause: Option<CancelCause>,
        /// How it ended.
        outcome: Box<AttemptOutcome>,
    },
    /// The run stopped before it was dispatched.
    Dropped,
}

impl Child {
    /// A child that waits for room.
    pub(crate) fn new(key: String, node: u32, combination: Vec<Param>) -> Self {
        Self {
            key,
            node,
            combination,
            attempt: 0,
            dispatch: 0,
            returned: 0,
            reruns: 0,
            past: Vec::new(),
            phase: Phase::Queued,
        }
    }

    /// Whether an attempt is in flight.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    /// Whether nothing more happens to it.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over { .. } | Phase::Dropped)
    }

    /// Whether it was ever dispatched or rejected: then there is a TaskRun.
    pub(crate) fn exists(&self) -> bool {
        matches!(self.phase, Phase::Running { .. } | Phase::Over { .. })
    }

    /// How the last attempt ended.
    pub(crate) fn outcome(&self) -> Option<&AttemptOutcome> {
        match &self.phase {
            Phase::Over { outcome, .. } => Some(outcome),
            _ => None,
        }
    }

    /// What the end means; `None` before it.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        match &self.phase {
            Phase::Over { verdict, cause, .. } => Some(counted(*verdict, *cause)),
            _ => None,
        }
    }
}

/// A task ended by a time limit of its run counts as failed.
fn counted(verdict: Verdict, cause: Option<CancelCause>) -> Verdict {
    match (verdict, cause) {
        (Verdict::Cancelled, Some(CancelCause::Run(stop))) if stop.is_timeout() => Verdict::Failed,
        _ => verdict,
    }
}
