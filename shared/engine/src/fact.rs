//! What the engine is told.

use jiff::Timestamp;
use tidemill_messages::{AttemptOutcome, DeployStage, ReleaseReport};
use tidemill_resources::task_run::StepState;

use crate::resolution::Resolution;
use crate::run_object::RunObject;

/// Something that happened to a run. Facts may come twice, late and out of order: what the state
/// already holds gives an empty decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// The run object as it is now: the first sight of it, or a new generation.
    RunObserved {
        /// Now.
        at: Timestamp,
        /// The object.
        run: RunObject,
        /// It has a deletion timestamp, or is gone.
        deleting: bool,
    },
    /// Answers to [`crate::Effect::Resolve`].
    Resolved {
        /// Now.
        at: Timestamp,
        /// What was found, and what was not.
        resolution: Resolution,
    },
    /// A TaskRun of the run was patched or deleted by somebody.
    ChildChanged {
        /// Now.
        at: Timestamp,
        /// Name of the TaskRun.
        name: String,
        /// Its UID.
        uid: String,
        /// Its `spec.status`.
        status: Option<String>,
        /// It has a deletion timestamp, or is gone.
        deleting: bool,
    },
    /// Steps of an attempt run.
    AttemptStarted {
        /// Now.
        at: Timestamp,
        /// Key of the task.
        task: String,
        /// Attempt.
        attempt: u32,
        /// Name of the pod, real or played.
        pod_name: String,
        /// When the pod was started.
        started_at: Timestamp,
        /// States of the steps so far.
        steps: Vec<StepState>,
    },
    /// An attempt is over.
    AttemptFinished {
        /// Now.
        at: Timestamp,
        /// Key of the task.
        task: String,
        /// Attempt.
        attempt: u32,
        /// How it ended.
        outcome: AttemptOutcome,
    },
    /// No runner takes an attempt.
    AttemptWaits {
        /// Now.
        at: Timestamp,
        /// Key of the task.
        task: String,
        /// Attempt.
        attempt: u32,
        /// What it waits for, and what to do about it.
        message: String,
    },
    /// The runner of an attempt died before any step started: the same attempt is dispatched again.
    AttemptReturned {
        /// Now.
        at: Timestamp,
        /// Key of the task.
        task: String,
        /// Attempt.
        attempt: u32,
        /// Sequence of the claim that came to nothing: tells one return from the next.
        claim: u64,
        /// What happened to it.
        message: String,
    },
    /// What became of the release that an attempt was to deploy; answers
    /// [`crate::Effect::ReportDeploy`].
    ReleaseObserved {
        /// Now.
        at: Timestamp,
        /// Key of the task.
        task: String,
        /// Attempt.
        attempt: u32,
        /// Which question it answers, where that is known: an answer comes twice, also after the next
        /// question.
        stage: Option<DeployStage>,
        /// What is known of the release.
        report: ReleaseReport,
    },
    /// A claim from a template could not be created.
    VolumeFailed {
        /// Now.
        at: Timestamp,
        /// Name of the claim.
        claim: String,
        /// Why.
        message: String,
    },
    /// A timer came back, or somebody wants a look at the deadlines.
    Due {
        /// Now.
        at: Timestamp,
    },
}

impl Fact {
    /// When the engine is told.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::RunObserved { at, .. }
            | Self::Resolved { at, .. }
            | Self::ChildChanged { at, .. }
            | Self::AttemptStarted { at, .. }
            | Self::AttemptFinished { at, .. }
            | Self::AttemptWaits { at, .. }
            | Self::AttemptReturned { at, .. }
            | Self::ReleaseObserved { at, .. }
            | Self::VolumeFailed { at, .. }
            | Self::Due { at } => *at,
        }
    }

    /// What happened, for errors: the variant and whom it is about.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::RunObserved { .. } => "RunObserved".to_owned(),
            Self::Resolved { .. } => "Resolved".to_owned(),
            Self::ChildChanged { name, .. } => format!("ChildChanged of {name:?}"),
            Self::AttemptStarted { task, attempt, .. } => format!("AttemptStarted of {task:?}/{attempt}"),
            Self::AttemptFinished { task, attempt, .. } => format!("AttemptFinished of {task:?}/{attempt}"),
            Self::AttemptWaits { task, attempt, .. } => format!("AttemptWaits of {task:?}/{attempt}"),
            Self::AttemptReturned { task, attempt, .. } => format!("AttemptReturned of {task:?}/{attempt}"),
            Self::ReleaseObserved { task, attempt, .. } => format!("ReleaseObserved of {task:?}/{attempt}"),
            Self::VolumeFailed { claim, .. } => format!("VolumeFailed of {claim:?}"),
            Self::Due { .. } => "Due".to_owned(),
        }
    }
}
