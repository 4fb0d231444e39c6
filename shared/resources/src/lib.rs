//! The kinds: types, defaulting, validation, conversion.
//!
//! Pure: no clock, no randomness, no I/O. Objects come in as JSON values or
//! YAML text and leave as typed values or as a list of problems, each of which
//! names a path, what was found and what was expected.

#[macro_use]
mod record;

pub mod admission;
pub mod convert;
pub mod decode;
pub mod default;
pub mod duration;
pub mod fit;
pub mod kind;
pub mod lookup;
pub mod manifest;
pub mod meta;
pub mod names;
pub mod object;
pub mod param;
pub mod path;
pub mod pipeline;
pub mod pipeline_run;
pub mod pod_template;
pub mod problem;
pub mod reference;
pub mod schema;
pub mod similar;
pub mod step;
pub mod task;
pub mod task_run;
pub mod validate;
pub mod workspace;

pub use admission::{Admitted, Operation, Rejected, admit};
pub use duration::Duration;
pub use kind::{GroupResource, Kind};
pub use manifest::{Diagnostic, File, Limits, Manifest, ManifestSet};
pub use meta::{Condition, ConditionStatus, ObjectMeta, OwnerReference, Time};
pub use object::{Object, Pipeline, PipelineRun, Task, TaskRun};
pub use param::{Param, ParamSpec, ParamType, ParamValue};
pub use pipeline::{EmbeddedTask, Matrix, Operator, PipelineSpec, PipelineTask, TaskRef, WhenExpression};
pub use pipeline_run::{PipelineRunSpec, PipelineRunStatus, SkipReason};
pub use pod_template::PodTemplate;
pub use problem::{Problem, Problems, Severity};
pub use step::{OnError, Sidecar, Step, StepTemplate};
pub use task::{TaskResult, TaskSpec};
pub use task_run::{TaskRunSpec, TaskRunStatus};
pub use workspace::{PipelineTaskWorkspace, WorkspaceBinding, WorkspaceDeclaration, WorkspaceUsage};
