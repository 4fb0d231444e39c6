//! The object that asks for a run.

use serde::{Deserialize, Serialize};
use tidemill_messages::RunKind;
use tidemill_resources::{ObjectMeta, PipelineRun, TaskRun, WorkspaceBinding};

/// The object that asks for a run: both kinds are runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RunObject {
    /// A pipeline's run.
    PipelineRun(Box<PipelineRun>),
    /// A run of one task, made by a user.
    TaskRun(Box<TaskRun>),
}

impl RunObject {
    /// Which of the two it is.
    #[must_use]
    pub fn kind(&self) -> RunKind {
        match self {
            Self::PipelineRun(_) => RunKind::PipelineRun,
            Self::TaskRun(_) => RunKind::TaskRun,
        }
    }

    /// Its metadata.
    #[must_use]
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::PipelineRun(run) => &run.metadata,
            Self::TaskRun(run) => &run.metadata,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.metadata().namespace.as_deref().unwrap_or_default()
    }

    /// Its UID.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.metadata().uid.as_deref().unwrap_or_default()
    }

    /// Value of an annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        let annotations = self.metadata().annotations.as_ref()?;
        annotations.get(key).map(String::as_str)
    }

    /// What it binds to workspaces.
    pub(crate) fn workspaces(&self) -> &[WorkspaceBinding] {
        match self {
            Self::PipelineRun(run) => &run.spec.workspaces,
            Self::TaskRun(run) => &run.spec.workspaces,
        }
    }

    /// Who acts on it; `None` and Tekton's own name mean: this engine.
    pub(crate) fn managed_by(&self) -> Option<&str> {
        match self {
            Self::PipelineRun(run) => run.spec.managed_by.as_deref(),
            Self::TaskRun(run) => run.spec.managed_by.as_deref(),
        }
    }

    /// What this run needs of the object: neither status nor the record of who wrote which field.
    pub(crate) fn trimmed(&self) -> Self {
        let mut copy = self.clone();
        match &mut copy {
            Self::PipelineRun(run) => {
                run.status = None;
                run.metadata.managed_fields = None;
            }
            Self::TaskRun(run) => {
                run.status = None;
                run.metadata.managed_fields = None;
            }
        }
        copy
    }
}
