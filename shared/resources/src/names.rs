//! Labels, annotations and API versions that other tools rely on.

/// The API version in which Task, Pipeline and their runs are stored.
pub const TEKTON_V1: &str = "tekton.dev/v1";
/// The deprecated version that is converted on the way in.
pub const TEKTON_V1BETA1: &str = "tekton.dev/v1beta1";

/// Label: name of the Pipeline a run was made from.
pub const LABEL_PIPELINE: &str = "tekton.dev/pipeline";
/// Label: name of the PipelineRun that owns the object.
pub const LABEL_PIPELINE_RUN: &str = "tekton.dev/pipelineRun";
/// Label: UID of the PipelineRun that owns the object.
pub const LABEL_PIPELINE_RUN_UID: &str = "tekton.dev/pipelineRunUID";
/// Label: name of the pipeline task a TaskRun plays.
pub const LABEL_PIPELINE_TASK: &str = "tekton.dev/pipelineTask";
/// Label: `tasks` or `finally`, the list the pipeline task stands in.
pub const LABEL_MEMBER_OF: &str = "tekton.dev/memberOf";
/// Label: name of the Task; absent for embedded specs.
pub const LABEL_TASK: &str = "tekton.dev/task";
/// Label: name of the TaskRun a pod belongs to.
pub const LABEL_TASK_RUN: &str = "tekton.dev/taskRun";
/// Label: UID of the TaskRun a pod belongs to.
pub const LABEL_TASK_RUN_UID: &str = "tekton.dev/taskRunUID";
/// Label: who manages the object; runs get [`MANAGED_BY`] unless they say otherwise.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Annotation on a TaskRun whose pipeline task has `onError: continue`.
pub const ANNOTATION_PIPELINE_TASK_ON_ERROR: &str = "pipeline.tekton.dev/pipeline-task-on-error";
/// Annotation on a TaskRun of a pipeline: key of its task within the run, which for a matrix is the
/// name of the pipeline task and the position of the combination.
pub const ANNOTATION_TASK_KEY: &str = "tidemill.dev/task";
/// Annotation that keeps v1beta1 step fields which v1 no longer has.
pub const ANNOTATION_TASK_DEPRECATIONS: &str = "tekton.dev/v1beta1.task-deprecations";
/// Annotation `true`: claims made from templates go with the end of the run.
pub const ANNOTATION_AUTO_CLEANUP_PVC: &str = "tekton.dev/auto-cleanup-pvc";

/// Default of [`LABEL_MANAGED_BY`], as Tekton's webhook sets it.
pub const MANAGED_BY: &str = "tekton-pipelines";
/// Default ServiceAccount of a run.
pub const DEFAULT_SERVICE_ACCOUNT: &str = "default";
/// Namespace of objects that name none.
pub const DEFAULT_NAMESPACE: &str = "default";
/// The only value of `managedBy` that Tekton's own controllers act on.
pub const MANAGED_BY_TEKTON: &str = "tekton.dev/pipeline";
