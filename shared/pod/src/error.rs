//! Why a task cannot become a pod. All of these are the task's own fault: none goes away by itself.

/// A task that cannot become a pod.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The task has no step.
    #[error("task `{task}` has no steps; a pod needs at least one")]
    NoSteps {
        /// Name of the TaskRun.
        task: String,
    },
    /// A workspace the task requires is not bound.
    #[error(
        "workspace `{workspace}` is required, but the run binds nothing to it; bind a volume or declare it optional"
    )]
    Unbound {
        /// The workspace.
        workspace: String,
    },
    /// A binding without a volume source, or with one that needs a claim first.
    #[error(
        "workspace `{workspace}` is bound to {found}; expected exactly one of emptyDir, persistentVolumeClaim, configMap, secret, projected, csi"
    )]
    Binding {
        /// The workspace.
        workspace: String,
        /// What is there.
        found: String,
    },
    /// A step or sidecar takes a workspace that the task does not declare.
    #[error("`{container}` uses workspace `{workspace}`, which the task does not declare")]
    UndeclaredWorkspace {
        /// The container.
        container: String,
        /// The workspace.
        workspace: String,
    },
    /// A mount of a volume that nobody defines.
    #[error("`{container}` mounts volume `{volume}` at `{path}`, but neither the task nor the pod template defines it")]
    UnknownVolume {
        /// The container.
        container: String,
        /// The volume.
        volume: String,
        /// Where it should appear.
        path: String,
    },
    /// Two volumes of one name.
    #[error("volume `{volume}` is defined twice; names of volumes must be unique in task, pod template and workspaces")]
    DuplicateVolume {
        /// The name.
        volume: String,
    },
    /// Two containers of one name.
    #[error("container `{container}` appears twice; names of steps and of sidecars must be unique")]
    DuplicateContainer {
        /// The name.
        container: String,
    },
    /// Not a quantity of Kubernetes.
    #[error("`{text}` is not a positive quantity; expected one such as 500m, 2, 1Gi")]
    Quantity {
        /// What was found.
        text: String,
    },
    /// The plan cannot be written or read.
    #[error("the plan of `{task}` cannot be written to or read from its pod's annotation")]
    Plan {
        /// Name of the TaskRun or pod.
        task: String,
        /// Why not; `None` if it is not there.
        #[source]
        source: Option<tidemill_messages::Error>,
    },
}

impl Error {
    /// The reason a TaskRun shows that fails for it: Tekton's word.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoSteps { .. }
            | Self::Unbound { .. }
            | Self::Binding { .. }
            | Self::UndeclaredWorkspace { .. }
            | Self::DuplicateContainer { .. } => "TaskRunValidationFailed",
            Self::UnknownVolume { .. } | Self::DuplicateVolume { .. } | Self::Quantity { .. } | Self::Plan { .. } => {
                "PodCreationFailed"
            }
        }
    }
}
