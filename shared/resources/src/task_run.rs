//! TaskRun: a task given values, and what became of it.

use k8s_openapi::api::core::v1::{ContainerState, ResourceRequirements};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::duration::Duration;
use crate::meta::{Condition, Provenance, Time};
use crate::param::{Param, ParamType, ParamValue};
use crate::pipeline::TaskRef;
use crate::pod_template::PodTemplate;
use crate::task::TaskSpec;
use crate::workspace::WorkspaceBinding;

/// A result with its value, written even when empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskRunResult {
    /// Name.
    pub name: String,
    /// Type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ParamType>,
    /// Value.
    pub value: ParamValue,
}

words! {
    /// What a user asks of a TaskRun.
    pub enum TaskRunSpecStatus {
        /// End it now.
        Cancelled = "TaskRunCancelled",
        /// Do not start it yet.
        Pending = "TaskRunPending",
    }
}

words! {
    /// Why a step ended.
    pub enum TerminationReason {
        /// Exit code 0.
        Completed = "Completed",
        /// It failed.
        Error = "Error",
        /// It never ran: an earlier step failed or its guard did not hold.
        Skipped = "Skipped",
        /// It failed and `onError: continue` let the task go on.
        Continued = "Continued",
        /// The run was cancelled.
        Cancelled = "Cancelled",
        /// Its own time limit was reached.
        TimeoutExceeded = "TimeoutExceeded",
    }
}

record! {
    /// Where to pause a task.
    pub struct Breakpoints {
        /// `enabled` pauses a failing step.
        pub on_failure: String,
        /// Steps to pause before.
        pub before_steps: Vec<String>,
    }

    /// Debugging of a TaskRun.
    pub struct Debug {
        /// Where to pause.
        pub breakpoints: Option<Breakpoints>,
    }

    /// Resources of one step, set by the run.
    pub struct StepSpecOverride {
        /// Name of the step.
        pub name: String,
        /// Its requests and limits.
        pub compute_resources: ResourceRequirements,
    }

    /// Resources of one sidecar, set by the run.
    pub struct SidecarSpecOverride {
        /// Name of the sidecar.
        pub name: String,
        /// Its requests and limits.
        pub compute_resources: ResourceRequirements,
    }

    /// What to run, and with what.
    pub struct TaskRunSpec {
        /// Debugging.
        pub debug: Option<Debug>,
        /// Parameters.
        pub params: Vec<Param>,
        /// Account whose credentials the pod gets.
        pub service_account_name: String,
        /// Task by name.
        pub task_ref: Option<TaskRef>,
        /// Task written here.
        pub task_spec: Option<TaskSpec>,
        /// What the user asks of it.
        pub status: Option<TaskRunSpecStatus>,
        /// Why the user asks.
        pub status_message: String,
        /// How often a failed attempt is repeated.
        pub retries: u32,
        /// Time limit of one attempt; zero means none.
        pub timeout: Option<Duration>,
        /// Settings of the pod.
        pub pod_template: Option<PodTemplate>,
        /// Workspaces.
        pub workspaces: Vec<WorkspaceBinding>,
        /// Resources by step.
        pub step_specs: Vec<StepSpecOverride>,
        /// Resources by sidecar.
        pub sidecar_specs: Vec<SidecarSpecOverride>,
        /// Resources of the task as a whole.
        pub compute_resources: Option<ResourceRequirements>,
        /// Who acts on it; immutable.
        pub managed_by: Option<String>,
    }

    /// State of one step.
    pub struct StepState {
        /// Not started yet, with the reason.
        pub waiting: Option<k8s_openapi::api::core::v1::ContainerStateWaiting>,
        /// Started.
        pub running: Option<k8s_openapi::api::core::v1::ContainerStateRunning>,
        /// Over, with exit code and times.
        pub terminated: Option<k8s_openapi::api::core::v1::ContainerStateTerminated>,
        /// Name of the step, or `unnamed-<position>`.
        pub name: String,
        /// Name of its container.
        pub container: String,
        /// Image it ran from, by digest.
        #[serde(rename = "imageID")]
        pub image_id: String,
        /// Its results.
        pub results: Vec<TaskRunResult>,
        /// Where its StepAction came from.
        pub provenance: Option<Provenance>,
        /// Why it ended.
        pub termination_reason: Option<TerminationReason>,
        /// Artifacts it read, kept as they are.
        pub inputs: Vec<Value>,
        /// Artifacts it made, kept as they are.
        pub outputs: Vec<Value>,
    }

    /// State of one sidecar.
    pub struct SidecarState {
        /// Not started yet, with the reason.
        pub waiting: Option<k8s_openapi::api::core::v1::ContainerStateWaiting>,
        /// Started.
        pub running: Option<k8s_openapi::api::core::v1::ContainerStateRunning>,
        /// Over, with exit code and times.
        pub terminated: Option<k8s_openapi::api::core::v1::ContainerStateTerminated>,
        /// Name of the sidecar.
        pub name: String,
        /// Name of its container.
        pub container: String,
        /// Image it ran from, by digest.
        #[serde(rename = "imageID")]
        pub image_id: String,
    }

    /// What became of a TaskRun.
    pub struct TaskRunStatus {
        /// Exactly one entry, `Succeeded`.
        pub conditions: Vec<Condition>,
        /// Generation of the spec this status is about.
        pub observed_generation: Option<i64>,
        /// Pod of the current attempt.
        pub pod_name: String,
        /// Start of the current attempt.
        pub start_time: Option<Time>,
        /// End.
        pub completion_time: Option<Time>,
        /// Steps in order.
        pub steps: Vec<StepState>,
        /// Sidecars in order.
        pub sidecars: Vec<SidecarState>,
        /// Status of each earlier attempt, oldest first.
        pub retries_status: Vec<TaskRunStatus>,
        /// Results.
        pub results: Vec<TaskRunResult>,
        /// Artifacts, kept as they are.
        pub artifacts: Option<Value>,
        /// The spec that ran, resolved.
        pub task_spec: Option<TaskSpec>,
        /// Where the spec came from.
        pub provenance: Option<Provenance>,
        /// Trace context.
        pub span_context: std::collections::BTreeMap<String, String>,
    }
}

impl TaskRunStatus {
    /// The condition `Succeeded`, once there is one.
    #[must_use]
    pub fn condition(&self) -> Option<&Condition> {
        self.conditions.first()
    }
}

impl StepState {
    /// The three states as Kubernetes groups them.
    #[must_use]
    pub fn container_state(&self) -> ContainerState {
        ContainerState {
            waiting: self.waiting.clone(),
            running: self.running.clone(),
            terminated: self.terminated.clone(),
        }
    }
}
