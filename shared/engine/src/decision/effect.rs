//! What is to be done.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidemill_messages::{CancelReason, DeployStage};

use crate::resolution::ResolveRequest;

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
    /// Publish [`crate::deploy_report`]: the deployer hears of an attempt that deploys a release. Its
    /// answer, where the run waits for one, is a [`crate::Fact::ReleaseObserved`].
    ReportDeploy {
        /// Key of the task.
        task: String,
        /// Attempt.
        attempt: u32,
        /// How far the attempt is.
        stage: DeployStage,
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
