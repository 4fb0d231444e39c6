//! Pipeline: tasks, their order and guards, results.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Volume;
use serde_json::Value;

use crate::duration::Duration;
use crate::param::{Param, ParamSpec, ParamType, ParamValue};
use crate::step::{OnError, Sidecar, Step, StepTemplate};
use crate::task::{TaskResult, TaskSpec};
use crate::workspace::{PipelineTaskWorkspace, PipelineWorkspaceDeclaration, WorkspaceDeclaration};

words! {
    /// How a guard compares.
    pub enum Operator {
        /// The input is one of the values.
        In = "in",
        /// The input is none of the values.
        NotIn = "notin",
    }
}

record! {
    /// A guard: `input operator values`, or a CEL expression.
    pub struct WhenExpression {
        /// Text to compare.
        pub input: String,
        /// How to compare; absent with `cel`.
        pub operator: Option<Operator>,
        /// Texts to compare with.
        pub values: Vec<String>,
        /// Expression; excludes the other fields.
        #[serde(rename = "cel")]
        pub cel: String,
    }

    /// A Task, custom task or other definition by name or through a resolver.
    pub struct TaskRef {
        /// Name in the run's namespace.
        pub name: String,
        /// Kind, `Task` unless it is a custom task.
        pub kind: String,
        /// Set together with `kind`: a custom task, whatever they are.
        pub api_version: String,
        /// Resolver, such as `git`.
        pub resolver: String,
        /// Parameters of the resolver.
        pub params: Vec<Param>,
    }

    /// A Pipeline by name or through a resolver.
    pub struct PipelineRef {
        /// Name in the run's namespace.
        pub name: String,
        /// Version of the referenced object.
        pub api_version: String,
        /// Resolver, such as `git`.
        pub resolver: String,
        /// Parameters of the resolver.
        pub params: Vec<Param>,
    }

    /// Labels and annotations for the TaskRuns of an embedded task.
    pub struct PipelineTaskMetadata {
        /// Labels.
        pub labels: BTreeMap<String, String>,
        /// Annotations.
        pub annotations: BTreeMap<String, String>,
    }

    /// A task written inside a pipeline: a task's own fields, or a custom task's
    /// `apiVersion`, `kind` and `spec`. [`EmbeddedTask::task_spec`] gives the former.
    pub struct EmbeddedTask {
        /// Version of a custom task.
        pub api_version: String,
        /// Kind of a custom task.
        pub kind: String,
        /// Spec of a custom task, kept as it is.
        pub spec: Option<Value>,
        /// Labels and annotations.
        pub metadata: PipelineTaskMetadata,
        /// Parameters.
        pub params: Vec<ParamSpec>,
        /// Prose.
        pub display_name: String,
        /// Prose.
        pub description: String,
        /// Programs, one after the other.
        pub steps: Vec<Step>,
        /// Volumes the containers mount.
        pub volumes: Vec<Volume>,
        /// What all steps have in common.
        pub step_template: Option<StepTemplate>,
        /// Programs beside the steps.
        pub sidecars: Vec<Sidecar>,
        /// Workspaces it asks for.
        pub workspaces: Vec<WorkspaceDeclaration>,
        /// Results it writes.
        pub results: Vec<TaskResult>,
    }

    /// One named set of parameters of a matrix.
    pub struct MatrixInclude {
        /// Name, for people.
        pub name: String,
        /// Strings for the combinations it matches or adds.
        pub params: Vec<Param>,
    }

    /// Fans a pipeline task out.
    pub struct Matrix {
        /// Arrays; the task runs once for each element of their product.
        pub params: Vec<Param>,
        /// Combinations to change or add.
        pub include: Vec<MatrixInclude>,
    }

    /// A node of the graph. Exactly one of the four definitions is set.
    pub struct PipelineTask {
        /// Name, a DNS label, unique in `tasks` and `finally`.
        pub name: String,
        /// Prose.
        pub display_name: String,
        /// Prose.
        pub description: String,
        /// Task by name.
        pub task_ref: Option<TaskRef>,
        /// Task written here.
        pub task_spec: Option<EmbeddedTask>,
        /// Pipeline by name.
        pub pipeline_ref: Option<PipelineRef>,
        /// Pipeline written here.
        pub pipeline_spec: Option<Box<PipelineSpec>>,
        /// Guards, all of which must hold.
        pub when: Vec<WhenExpression>,
        /// How often a failed attempt is repeated.
        pub retries: u32,
        /// Tasks that come first.
        pub run_after: Vec<String>,
        /// Parameters.
        pub params: Vec<Param>,
        /// Fan-out.
        pub matrix: Option<Matrix>,
        /// Workspaces.
        pub workspaces: Vec<PipelineTaskWorkspace>,
        /// Time limit of one attempt.
        pub timeout: Option<Duration>,
        /// What a failure does to the pipeline.
        pub on_error: Option<OnError>,
    }

    /// A result that a pipeline puts together from those of its tasks.
    pub struct PipelineResult {
        /// Name.
        pub name: String,
        /// Type; string when absent.
        #[serde(rename = "type")]
        pub kind: Option<ParamType>,
        /// Prose.
        pub description: String,
        /// Text with references to results.
        pub value: ParamValue,
    }

    /// What a pipeline does.
    pub struct PipelineSpec {
        /// Prose.
        pub display_name: String,
        /// Prose.
        pub description: String,
        /// Nodes of the graph.
        pub tasks: Vec<PipelineTask>,
        /// Parameters.
        pub params: Vec<ParamSpec>,
        /// Workspaces it asks for.
        pub workspaces: Vec<PipelineWorkspaceDeclaration>,
        /// Results.
        pub results: Vec<PipelineResult>,
        /// Tasks that run, in parallel, when all others are over.
        pub finally: Vec<PipelineTask>,
    }
}

impl TaskRef {
    /// Whether it names a custom task: both `apiVersion` and `kind` are set,
    /// whatever they are, even Tekton's own.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        !self.api_version.is_empty() && !self.kind.is_empty()
    }
}

impl EmbeddedTask {
    /// Whether it is a custom task: both `apiVersion` and `kind` are set.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        !self.api_version.is_empty() && !self.kind.is_empty()
    }

    /// The task's own fields.
    #[must_use]
    pub fn task_spec(&self) -> TaskSpec {
        TaskSpec {
            params: self.params.clone(),
            display_name: self.display_name.clone(),
            description: self.description.clone(),
            steps: self.steps.clone(),
            volumes: self.volumes.clone(),
            step_template: self.step_template.clone(),
            sidecars: self.sidecars.clone(),
            workspaces: self.workspaces.clone(),
            results: self.results.clone(),
        }
    }
}

impl From<TaskSpec> for EmbeddedTask {
    fn from(spec: TaskSpec) -> Self {
        Self {
            params: spec.params,
            display_name: spec.display_name,
            description: spec.description,
            steps: spec.steps,
            volumes: spec.volumes,
            step_template: spec.step_template,
            sidecars: spec.sidecars,
            workspaces: spec.workspaces,
            results: spec.results,
            ..Self::default()
        }
    }
}
