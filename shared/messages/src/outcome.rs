//! How an attempt ended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidemill_resources::task_run::{SidecarState, StepState, TaskRunResult};

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    /// Every step ended well, or was allowed to fail.
    Succeeded,
    /// It failed; reason and message are Tekton's where Tekton has one.
    #[serde(rename_all = "camelCase")]
    Failed {
        /// A CamelCase reason, such as `Failed`, `TaskRunResultLargerThanAllowedLimit`.
        reason: String,
        /// One sentence for people.
        message: String,
    },
    /// Ended by a cancel command.
    Cancelled,
    /// Ended by its time limit.
    TimedOut,
    /// Its runner and its processes are gone, and at least one step had started.
    Lost {
        /// What is known of it.
        message: String,
    },
}

/// What a runner (or the planner, for an attempt nobody runs) says at the end of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptOutcome {
    /// How it ended.
    pub ending: Ending,
    /// Name of the pod, real or played.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pod_name: String,
    /// When its sandbox or pod was started; `None` if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its last step ended.
    pub completed_at: Timestamp,
    /// States of the steps, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepState>,
    /// States of the sidecars.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sidecars: Vec<SidecarState>,
    /// The results it wrote, typed as declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<TaskRunResult>,
}
