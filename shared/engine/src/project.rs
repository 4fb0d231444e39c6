//! What is shown: status objects, computed from the state.

mod claim;
mod conclusion;
mod condition;
mod release;
mod results;
mod run;
mod task_run;

use std::collections::BTreeMap;

use tidemill_resources::{PipelineRunStatus, TaskRunStatus};

pub use claim::claim_object;
pub use run::project_run;
pub use task_run::project_task_run;

/// Status of the run's own object.
#[derive(Clone, Debug, PartialEq)]
pub enum RunStatus {
    /// Of a PipelineRun.
    PipelineRun(Box<PipelineRunStatus>),
    /// Of a TaskRun.
    TaskRun(Box<TaskRunStatus>),
}

/// What the run's object is to look like; everything else of it stays.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectedStatus {
    /// Its status.
    pub status: RunStatus,
    /// Labels it gains; those it has are kept.
    pub labels: BTreeMap<String, String>,
    /// Annotations it gains; those it has are kept.
    pub annotations: BTreeMap<String, String>,
    /// Annotations that tell how things stand: they take the place of what was told before.
    pub told: BTreeMap<String, String>,
}
