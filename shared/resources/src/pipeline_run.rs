//! PipelineRun: a pipeline given values, and what became of it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::meta::{Condition, Provenance, Time};
use crate::param::{Param, ParamValue};
use crate::pipeline::{PipelineRef, PipelineSpec, PipelineTaskMetadata, WhenExpression};
use crate::pod_template::PodTemplate;
use crate::task_run::{SidecarSpecOverride, StepSpecOverride};
use crate::workspace::WorkspaceBinding;

/// A result with its value, written even when empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PipelineRunResult {
    /// Name.
    pub name: String,
    /// Value.
    pub value: ParamValue,
}

words! {
    /// What a user asks of a PipelineRun.
    pub enum PipelineRunSpecStatus {
        /// End it now, without `finally`.
        Cancelled = "Cancelled",
        /// End the tasks now, then run `finally`.
        CancelledRunFinally = "CancelledRunFinally",
        /// Start no more tasks, then run `finally`.
        StoppedRunFinally = "StoppedRunFinally",
        /// Do not start it yet.
        Pending = "PipelineRunPending",
    }
}

words! {
    /// Why a task was skipped, in Tekton's exact words.
    pub enum SkipReason {
        /// A guard did not hold.
        WhenExpressions = "When Expressions evaluated to false",
        /// A parent was skipped for a reason other than its guard.
        ParentTasks = "Parent Tasks were skipped",
        /// A task failed.
        Stopping = "PipelineRun was stopping",
        /// `CancelledRunFinally`.
        GracefullyCancelled = "PipelineRun was gracefully cancelled",
        /// `StoppedRunFinally`.
        GracefullyStopped = "PipelineRun was gracefully stopped",
        /// A result it needs does not exist.
        MissingResults = "Results were missing",
        /// The limit of the whole run was reached.
        PipelineTimedOut = "PipelineRun timeout has been reached",
        /// The limit of the tasks was reached.
        TasksTimedOut = "PipelineRun Tasks timeout has been reached",
        /// The limit of `finally` was reached.
        FinallyTimedOut = "PipelineRun Finally timeout has been reached",
        /// The matrix has no combination.
        EmptyMatrix = "Matrix Parameters have an empty array",
    }
}

record! {
    /// Time limits; zero means none.
    pub struct Timeouts {
        /// Of the whole run.
        pub pipeline: Option<Duration>,
        /// Of the graph.
        pub tasks: Option<Duration>,
        /// Of `finally`, from its start.
        pub finally: Option<Duration>,
    }

    /// What all TaskRuns of a run have in common.
    pub struct TaskRunTemplate {
        /// Account whose credentials the pods get.
        pub service_account_name: String,
        /// Settings of the pods.
        pub pod_template: Option<PodTemplate>,
    }

    /// Settings for one pipeline task; they win over the template.
    pub struct PipelineTaskRunSpec {
        /// Name of the pipeline task.
        pub pipeline_task_name: String,
        /// Account.
        pub service_account_name: String,
        /// Settings of the pod.
        pub pod_template: Option<PodTemplate>,
        /// Resources by step.
        pub step_specs: Vec<StepSpecOverride>,
        /// Resources by sidecar.
        pub sidecar_specs: Vec<SidecarSpecOverride>,
        /// Labels and annotations.
        pub metadata: Option<PipelineTaskMetadata>,
        /// Resources of the task as a whole.
        pub compute_resources: Option<ResourceRequirements>,
        /// Time limit of one attempt.
        pub timeout: Option<Duration>,
    }

    /// What to run, and with what.
    pub struct PipelineRunSpec {
        /// Pipeline by name.
        pub pipeline_ref: Option<PipelineRef>,
        /// Pipeline written here.
        pub pipeline_spec: Option<PipelineSpec>,
        /// Parameters; more than the pipeline declares are allowed.
        pub params: Vec<Param>,
        /// What the user asks of it.
        pub status: Option<PipelineRunSpecStatus>,
        /// Time limits.
        pub timeouts: Option<Timeouts>,
        /// What all TaskRuns have in common.
        pub task_run_template: TaskRunTemplate,
        /// Workspaces.
        pub workspaces: Vec<WorkspaceBinding>,
        /// Settings by pipeline task.
        pub task_run_specs: Vec<PipelineTaskRunSpec>,
        /// Who acts on it; immutable.
        pub managed_by: Option<String>,
    }

    /// A TaskRun, CustomRun or PipelineRun this run made.
    pub struct ChildReference {
        /// Version of the child.
        pub api_version: String,
        /// Kind of the child.
        pub kind: String,
        /// Name of the child.
        pub name: String,
        /// Prose.
        pub display_name: String,
        /// Pipeline task it plays.
        pub pipeline_task_name: String,
        /// Guards with their values in place.
        pub when_expressions: Vec<WhenExpression>,
    }

    /// A pipeline task that did not run.
    pub struct SkippedTask {
        /// Pipeline task.
        pub name: String,
        /// Why.
        pub reason: Option<SkipReason>,
        /// Guards with their values in place.
        pub when_expressions: Vec<WhenExpression>,
    }

    /// What became of a PipelineRun.
    pub struct PipelineRunStatus {
        /// Exactly one entry, `Succeeded`.
        pub conditions: Vec<Condition>,
        /// Generation of the spec this status is about.
        pub observed_generation: Option<i64>,
        /// Start.
        pub start_time: Option<Time>,
        /// End.
        pub completion_time: Option<Time>,
        /// Results.
        pub results: Vec<PipelineRunResult>,
        /// The spec that ran, resolved.
        pub pipeline_spec: Option<PipelineSpec>,
        /// Tasks that did not run.
        pub skipped_tasks: Vec<SkippedTask>,
        /// Children.
        pub child_references: Vec<ChildReference>,
        /// Start of `finally`.
        pub finally_start_time: Option<Time>,
        /// Where the spec came from.
        pub provenance: Option<Provenance>,
        /// Trace context.
        pub span_context: BTreeMap<String, String>,
    }
}

impl PipelineRunStatus {
    /// The condition `Succeeded`, once there is one.
    #[must_use]
    pub fn condition(&self) -> Option<&Condition> {
        self.conditions.first()
    }
}
