//! Commands of the planner to the runners.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ResourceRequirements;
use serde::{Deserialize, Serialize};
use tidemill_resources::pod_template::PodTemplate;
use tidemill_resources::task::TaskSpec;
use tidemill_resources::task_run::{SidecarSpecOverride, StepSpecOverride};
use tidemill_resources::workspace::WorkspaceBinding;

use crate::identity::{AttemptKey, RunKind};

/// The run a command belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunReference {
    /// PipelineRun or TaskRun.
    pub kind: RunKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// The TaskRun an attempt belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRunIdentity {
    /// Its name.
    pub name: String,
    /// Its UID: UUID version 5 of the run's UID and the name, or the object's own for a run of kind
    /// TaskRun.
    pub uid: String,
    /// Labels of TaskRun and pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of TaskRun and pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Run this attempt. Everything is decided: parameters, results and contexts are substituted; what
/// is left is what only the pod knows (paths, results of steps before).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartTask {
    /// Version of this payload.
    pub version: u64,
    /// The run.
    pub run: RunReference,
    /// Key of the task in the run.
    pub task: String,
    /// Attempt, from 0.
    pub attempt: u32,
    /// The TaskRun.
    pub task_run: TaskRunIdentity,
    /// The task, substituted; steps merged with the step template.
    pub spec: TaskSpec,
    /// What is bound to the task's workspaces, by the names the task declares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workspaces: Vec<WorkspaceBinding>,
    /// Service account.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service_account_name: String,
    /// Pod template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// Overrides for steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub step_specs: Vec<StepSpecOverride>,
    /// Overrides for sidecars.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sidecar_specs: Vec<SidecarSpecOverride>,
    /// Resources of the whole task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_resources: Option<ResourceRequirements>,
    /// W3C trace context, for the steps' `TRACEPARENT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl StartTask {
    /// The attempt.
    pub fn key(&self) -> AttemptKey {
        AttemptKey::new(self.run.uid.clone(), self.task.clone(), self.attempt)
    }
}

/// Why an attempt is ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CancelReason {
    /// The run or TaskRun was cancelled (or deleted).
    Cancelled,
    /// A time limit passed.
    TimedOut,
}

/// End this attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelTask {
    /// Version of this payload.
    pub version: u64,
    /// Why.
    pub reason: CancelReason,
    /// When it was decided.
    pub at: Timestamp,
}
