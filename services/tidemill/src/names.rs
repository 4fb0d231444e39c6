//! Names of annotations and labels the command writes or reads.

/// Annotation: who asked for the run.
pub(crate) const STARTED_BY: &str = "tidemill.dev/started-by";
/// Annotation of a claim that stands for a directory of this machine.
pub(crate) const HOST_PATH: &str = "tidemill.dev/host-path";
/// Annotation in which `apply` keeps what was applied last, shared with `kubectl`.
pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Label: the run a child belongs to.
pub(crate) const PIPELINE_RUN: &str = "tekton.dev/pipelineRun";
