//! Metadata and conditions.

use serde::{Deserialize, Serialize};

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    FieldsV1, ManagedFieldsEntry, ObjectMeta, OwnerReference, Time,
};

words! {
    /// Truth of a condition.
    pub enum ConditionStatus {
        /// It holds: the run succeeded.
        True = "True",
        /// It does not and never will.
        False = "False",
        /// Not decided: the run goes on.
        Unknown = "Unknown",
    }
}

words! {
    /// The one type of condition runs have.
    pub enum ConditionType {
        /// Whether the run succeeded.
        Succeeded = "Succeeded",
    }
}

/// The condition of a run. Lists of conditions hold exactly one: `tkn` reads index 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Always `Succeeded`.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// When `status` last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
    /// One word for programs, such as `PipelineRunTimeout`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// One sentence for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Condition {
    /// The condition `Succeeded` with the given status, reason and message.
    #[must_use]
    pub fn succeeded(status: ConditionStatus, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind: ConditionType::Succeeded,
            status,
            last_transition_time: None,
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// Whether the run is over, well or badly.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.status != ConditionStatus::Unknown
    }
}

record! {
    /// Where a resolved spec came from.
    pub struct RefSource {
        /// Address, for example of a repository.
        pub uri: String,
        /// Algorithm to hex digest.
        pub digest: std::collections::BTreeMap<String, String>,
        /// Path or entry inside the source.
        pub entry_point: String,
    }

    /// How the run's definition was obtained.
    pub struct Provenance {
        /// Source of a remote definition.
        pub ref_source: Option<RefSource>,
        /// Feature flags in force, kept as they are.
        pub feature_flags: Option<serde_json::Value>,
    }
}
