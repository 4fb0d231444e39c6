//! What the engine decides: changes of the state and effects on the world.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidemill_messages::{AttemptOutcome, CancelReason};
use tidemill_resources::Param;
use tidemill_resources::meta::ConditionStatus;
use tidemill_resources::pipeline_run::{PipelineRunResult, SkipReason};
use tidemill_resources::task_run::StepState;

use crate::limits::Limits;
use crate::resolution::{Found, ResolveRequest};
use crate::run_object::RunObject;

/// The answer to a fact. Stored as it is; its changes are applied already.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// What changed, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What is to be done, in order, after the decision is stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
}

impl Decision {
    /// Whether there is nothing to store: the fact was known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.effects.is_empty()
    }
}

/// Why a run starts nothing more, weakest first: a stronger one replaces a weaker one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stop {
    /// A task failed or was cancelled, or a result it needs does not exist.
    TaskFailed,
    /// `StoppedRunFinally`.
    GracefullyStopped,
    /// `CancelledRunFinally`.
    GracefullyCancelled,
    /// The limit of the tasks was reached; `finally` runs.
    TasksTimedOut,
    /// The limit of `finally` was reached.
    FinallyTimedOut,
    /// A claim could not be created.
    VolumeFailed,
    /// The limit of the run was reached.
    TimedOut,
    /// `Cancelled`, or the object is being deleted.
    Cancelled,
}

impl Stop {
    /// Whether a time limit of the run is the reason.
    pub(crate) fn is_timeout(self) -> bool {
        matches!(self, Self::TasksTimedOut | Self::FinallyTimedOut | Self::TimedOut)
    }

    /// Whether running attempts are ended.
    pub(crate) fn ends_running(self) -> bool {
        !matches!(self, Self::TaskFailed | Self::GracefullyStopped)
    }

    /// Whether `finally` does not run either.
    pub(crate) fn is_final(self) -> bool {
        self >= Self::FinallyTimedOut
    }

    /// Why the tasks that had not started are skipped.
    pub(crate) fn skip_reason(self) -> SkipReason {
        match self {
            Self::TaskFailed | Self::Cancelled | Self::VolumeFailed => SkipReason::Stopping,
            Self::GracefullyStopped => SkipReason::GracefullyStopped,
            Self::GracefullyCancelled => SkipReason::GracefullyCancelled,
            Self::TasksTimedOut => SkipReason::TasksTimedOut,
            Self::FinallyTimedOut => SkipReason::FinallyTimedOut,
            Self::TimedOut => SkipReason::PipelineTimedOut,
        }
    }
}

/// Why an attempt was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CancelCause {
    /// Its run ends early for this reason.
    Run(Stop),
    /// Its own TaskRun was cancelled or deleted.
    Task,
    /// Its own time limit passed.
    Timeout,
}

impl CancelCause {
    /// What the runner is told.
    #[must_use]
    pub fn reason(self) -> CancelReason {
        match self {
            Self::Timeout | Self::Run(Stop::TasksTimedOut | Stop::FinallyTimedOut | Stop::TimedOut) => {
                CancelReason::TimedOut
            }
            Self::Task | Self::Run(_) => CancelReason::Cancelled,
        }
    }
}

/// What the end of an attempt means for its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// The task succeeded.
    Succeeded,
    /// The task failed.
    Failed,
    /// The task was cancelled.
    Cancelled,
    /// The next attempt follows, one of its `retries`.
    Retried,
    /// The next attempt follows, outside its `retries`: the runner was lost.
    Rerun,
}

/// One change of the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Change {
    /// The run was seen for the first time, or again while it was pending.
    Observed {
        /// When.
        at: Timestamp,
        /// The object, without status.
        run: Box<RunObject>,
        /// What it is decided with.
        limits: Box<Limits>,
    },
    /// Another controller acts on the run.
    Ignored,
    /// The run waits until its `spec.status` is cleared.
    Held,
    /// References were asked for.
    Asked,
    /// References were answered.
    Resolved {
        /// The answers, new ones only.
        found: Vec<Found>,
    },
    /// The graph is known; tasks may start.
    Started {
        /// When.
        at: Timestamp,
    },
    /// A matrix was fanned out.
    FannedOut {
        /// The pipeline task.
        task: String,
        /// The parameters each combination adds.
        combinations: Vec<Vec<Param>>,
    },
    /// A task is ready and waits for room ([`Limits::started_tasks_max`]).
    Queued {
        /// Key of the task.
        task: String,
    },
    /// An attempt was dispatched.
    Dispatched {
        /// Key of the task.
        task: String,
        /// When.
        at: Timestamp,
    },
    /// The same attempt was dispatched again.
    Returned {
        /// Key of the task.
        task: String,
        /// Sequence of the claim that came to nothing.
        claim: u64,
    },
    /// Steps of the attempt run.
    Running {
        /// Key of the task.
        task: String,
        /// Name of the pod.
        pod_name: String,
        /// When it was started.
        started_at: Timestamp,
        /// States of the steps so far.
        steps: Vec<StepState>,
    },
    /// The attempt was told to end.
    Ending {
        /// Key of the task.
        task: String,
        /// Why.
        cause: CancelCause,
    },
    /// The attempt is over.
    Ended {
        /// Key of the task.
        task: String,
        /// Attempt.
        attempt: u32,
        /// When the engine was told.
        at: Timestamp,
        /// What it means.
        verdict: Verdict,
        /// How it ended.
        outcome: Box<AttemptOutcome>,
    },
    /// The task failed without an attempt: it cannot be run as it is.
    Rejected {
        /// Key of the task.
        task: String,
        /// When.
        at: Timestamp,
        /// Reason of the TaskRun's condition.
        reason: String,
        /// Message of the TaskRun's condition.
        message: String,
    },
    /// The task does not run.
    Skipped {
        /// The pipeline task.
        task: String,
        /// Why.
        reason: SkipReason,
    },
    /// The task cannot run: a result it needs does not exist, or its matrix is none.
    Invalid {
        /// The pipeline task.
        task: String,
        /// Reason with which the run fails.
        reason: String,
        /// Which, and why.
        message: String,
    },
    /// Nothing more starts; tasks that have not started do not run.
    Stopped {
        /// Why.
        stop: Stop,
        /// More, for people.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        message: String,
    },
    /// All tasks are over, `finally` begins.
    FinallyStarted {
        /// When.
        at: Timestamp,
    },
    /// The run is over.
    Over {
        /// When.
        at: Timestamp,
        /// Whether it succeeded.
        status: ConditionStatus,
        /// Reason of its condition.
        reason: String,
        /// Message of its condition.
        message: String,
        /// Its results.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        results: Vec<PipelineRunResult>,
    },
    /// The timer was set.
    Armed {
        /// When it fires.
        at: Timestamp,
    },
    /// The timer fired.
    Fired,
    /// The object is being deleted.
    Deleting,
    /// Nothing is left to do for the deleted run.
    Finished,
}

/// One thing to be done. Each may be done again: payloads come from the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Effect {
    /// Find definitions; answered by [`crate::Fact::Resolved`].
    Resolve(ResolveRequest),
    /// Create [`crate::claim_object`]; existing and ours is success. A failure is answered by
    /// [`crate::Fact::VolumeFailed`].
    CreateVolume {
        /// Name of the claim.
        claim: String,
    },
    /// Remove a claim of this run: it asked for that at its end (`tekton.dev/auto-cleanup-pvc`).
    RemoveVolume {
        /// Name of the claim.
        claim: String,
    },
    /// Publish [`crate::start_task`].
    StartTask {
        /// Key of the task.
        task: String,
        /// Attempt.
        attempt: u32,
        /// How often this attempt was dispatched before: 0 means its subject must be empty (expected
        /// sequence 0); n > 0 means that the last message there is dispatch n-1.
        #[serde(default, skip_serializing_if = "is_zero")]
        dispatch: u32,
    },
    /// End an attempt (R7); in the end there is a [`crate::Fact::AttemptFinished`] for it.
    CancelTask {
        /// Key of the task.
        task: String,
        /// Attempt.
        attempt: u32,
        /// Why.
        reason: CancelReason,
    },
    /// Set the run's timer, instead of the one before; answered by [`crate::Fact::Due`].
    Wake {
        /// When.
        at: Timestamp,
    },
    /// Write the status of a TaskRun ([`crate::project_task_run`]), or of the run itself
    /// ([`crate::project_run`]).
    Project {
        /// Key of the task; `None` for the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<String>,
        /// It does not change any more: must be confirmed. Others may be coalesced.
        #[serde(default, skip_serializing_if = "is_false")]
        last: bool,
    },
    /// The object is being deleted and nothing of the run is in flight: purge it (P4). A run that
    /// merely ended gives no such effect; [`crate::RunState::is_over`] tells.
    Finish,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}
