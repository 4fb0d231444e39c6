//! Why things end: runs, attempts.

use serde::{Deserialize, Serialize};
use tidemill_messages::CancelReason;
use tidemill_resources::pipeline_run::SkipReason;

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
