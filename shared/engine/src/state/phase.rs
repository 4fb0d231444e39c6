//! Where things stand: the run, its object, its pipeline tasks.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidemill_resources::meta::ConditionStatus;
use tidemill_resources::pipeline_run::{PipelineRunResult, SkipReason};

use crate::decision::Stop;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Stage {
    /// Nothing is known of it.
    New,
    /// Another controller acts on it.
    Ignored,
    /// It waits for its `spec.status` to be cleared.
    Pending,
    /// It waits for what it refers to.
    Resolving,
    /// Its tasks run.
    Running,
    /// It is over.
    Over,
}

impl Stage {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ignored => "ignored",
            Self::Pending => "pending",
            Self::Resolving => "resolving",
            Self::Running => "running",
            Self::Over => "over",
        }
    }
}

/// Whether the run's object is there to stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Presence {
    /// It is.
    #[default]
    Kept,
    /// It is being deleted.
    Deleting,
    /// Nothing is left to do for it.
    Finished,
}

/// Where a pipeline task stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum NodePhase {
    /// Not decided.
    #[default]
    Waiting,
    /// Its children, `first .. first + count`, are not all over.
    Active {
        /// Position of the first.
        first: u32,
        /// How many there are.
        count: u32,
        /// How many are not over.
        left: u32,
    },
    /// All its children are over.
    Done {
        /// Position of the first.
        first: u32,
        /// How many there are.
        count: u32,
    },
    /// It does not run.
    Skipped {
        /// Why.
        reason: SkipReason,
    },
    /// It cannot run: a result it needs does not exist, or its matrix is none.
    Invalid {
        /// Reason with which the run fails.
        reason: String,
        /// Which, and why.
        message: String,
    },
}

/// Why nothing more starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stopped {
    pub(crate) stop: Stop,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
}

/// How the run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct End {
    pub(crate) at: Timestamp,
    pub(crate) status: ConditionStatus,
    pub(crate) reason: String,
    pub(crate) message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) results: Vec<PipelineRunResult>,
}
