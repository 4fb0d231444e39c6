//! Changes of the state.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidemill_messages::{AttemptOutcome, ReleaseReport};
use tidemill_resources::Param;
use tidemill_resources::meta::ConditionStatus;
use tidemill_resources::pipeline_run::{PipelineRunResult, SkipReason};
use tidemill_resources::task_run::StepState;

use super::{CancelCause, Stop, Verdict};
use crate::limits::Limits;
use crate::resolution::Found;
use crate::run_object::RunObject;

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
    /// No runner takes the attempt.
    Waits {
        /// Key of the task.
        task: String,
        /// What it waits for.
        message: String,
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
    /// A task failed to deploy a release; the run waits to hear what became of it.
    ReleaseAwaited {
        /// Key of the task.
        task: String,
        /// The attempt that failed.
        attempt: u32,
        /// For how long.
        until: Timestamp,
    },
    /// What became of the release is known.
    ReleaseHeard {
        /// Key of the task.
        task: String,
        /// What is known.
        report: Box<ReleaseReport>,
    },
    /// Nobody said in time what became of the release.
    ReleaseUnheard {
        /// Key of the task.
        task: String,
    },
    /// The tasks that were to mend the release are over; the run waits to hear what they achieved.
    ReleaseClosing {
        /// Key of the task.
        task: String,
        /// For how long.
        until: Timestamp,
    },
    /// Nothing more is awaited about the release.
    ReleaseSettled {
        /// Key of the task.
        task: String,
        /// The last word; `None`: it was not heard in time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<Box<ReleaseReport>>,
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
