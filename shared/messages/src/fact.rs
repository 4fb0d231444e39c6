//! Facts: what happened to a run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidemill_resources::task_run::StepState;

use crate::identity::RunKind;
use crate::outcome::AttemptOutcome;
use crate::release::ReleaseReport;

/// A fact as it lies in stream `facts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// Version of this payload.
    pub version: u64,
    /// When it happened, by the clock of its writer.
    pub at: Timestamp,
    /// What happened.
    pub body: FactBody,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FactBody {
    /// The run object has a new generation, or is being deleted (intake, P7). Subject
    /// `….spec.<generation>`, for a deletion `….spec.deletion`.
    #[serde(rename_all = "camelCase")]
    SpecChanged {
        /// Kind of the run object.
        kind: RunKind,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its UID: the run's.
        uid: String,
        /// Its generation.
        generation: i64,
        /// Sequence of the object in stream `objects`; readers act on it at this sequence or later.
        sequence: u64,
        /// It has a deletion timestamp.
        deleting: bool,
    },
    /// A TaskRun of this run (a child) was patched or deleted by somebody (P7). Subject
    /// `….<task>.<attempt>.child.<generation>`.
    #[serde(rename_all = "camelCase")]
    ChildChanged {
        /// Name of the TaskRun.
        name: String,
        /// Its UID.
        uid: String,
        /// Its `spec.status` (`TaskRunCancelled`).
        status: Option<String>,
        /// It has a deletion timestamp.
        deleting: bool,
    },
    /// What the run refers to was found, or not. Subject `….resolved`.
    #[serde(rename_all = "camelCase")]
    Resolved {
        /// The resolution as the engine defines it.
        resolution: serde_json::Value,
    },
    /// Steps run; sent only for attempts that still run after a short while. Subject `….started`.
    #[serde(rename_all = "camelCase")]
    AttemptStarted {
        /// Pipeline task's key.
        task: String,
        /// Attempt.
        attempt: u32,
        /// Name of the pod, real or played.
        pod_name: String,
        /// When the sandbox or pod was started.
        started_at: Timestamp,
        /// States of the steps so far.
        steps: Vec<StepState>,
    },
    /// The attempt is over. Subject `….finished`, expected sequence 0: the first is the result.
    #[serde(rename_all = "camelCase")]
    AttemptFinished {
        /// Pipeline task's key.
        task: String,
        /// Attempt.
        attempt: u32,
        /// How it ended.
        outcome: AttemptOutcome,
    },
    /// No runner takes the attempt. Told once. Subject `….waits`, expected sequence 0.
    #[serde(rename_all = "camelCase")]
    AttemptWaits {
        /// Pipeline task's key.
        task: String,
        /// Attempt.
        attempt: u32,
        /// What it waits for, and what to do about it.
        message: String,
    },
    /// The runner of the attempt died before any step started: dispatch the same attempt again
    /// (R4). Subject `….returned.<claim sequence>`.
    #[serde(rename_all = "camelCase")]
    AttemptReturned {
        /// Pipeline task's key.
        task: String,
        /// Attempt.
        attempt: u32,
        /// What happened to it.
        message: String,
    },
    /// What became of the release that an attempt was to deploy (deployer). Subject
    /// `….release.<stage>`, expected sequence 0.
    #[serde(rename_all = "camelCase")]
    ReleaseObserved {
        /// Pipeline task's key.
        task: String,
        /// Attempt.
        attempt: u32,
        /// What is known of the release.
        report: ReleaseReport,
    },
    /// A claim from a template could not be created. Subject `….volume-<claim>`.
    #[serde(rename_all = "camelCase")]
    VolumeFailed {
        /// Name of the claim.
        claim: String,
        /// Why.
        message: String,
    },
}
