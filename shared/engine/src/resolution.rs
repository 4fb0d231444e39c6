//! What a run refers to: questions and answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidemill_resources::meta::RefSource;
use tidemill_resources::step::StepActionSpec;
use tidemill_resources::{Param, PipelineSpec, TaskSpec};

use crate::state::RunState;

/// Kinds that runs refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ReferenceKind {
    /// A Pipeline.
    Pipeline,
    /// A Task.
    Task,
    /// A StepAction.
    StepAction,
}

impl ReferenceKind {
    /// The kind as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pipeline => "Pipeline",
            Self::Task => "Task",
            Self::StepAction => "StepAction",
        }
    }
}

/// One definition by name in the run's namespace, or through a resolver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// What it is.
    pub kind: ReferenceKind,
    /// Name in the run's namespace; empty with a resolver.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Resolver, such as `git`; empty for the namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resolver: String,
    /// Parameters of the resolver, substituted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Param>,
}

/// What a run needs to know before it can start. Answered by [`crate::Fact::Resolved`]. An answer
/// may open new questions (a Pipeline names Tasks, those name StepActions): whoever answers may ask
/// [`missing`] until nothing is left, or answer only this; then the engine asks again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolveRequest {
    /// What to look for.
    pub references: Vec<Reference>,
}

/// What became of one reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// A Pipeline.
    #[serde(rename_all = "camelCase")]
    Pipeline {
        /// Its spec, defaulted and validated.
        spec: Box<PipelineSpec>,
        /// Its labels, which go on to the run.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        labels: BTreeMap<String, String>,
        /// Its annotations, which go on to the run.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        annotations: BTreeMap<String, String>,
        /// Where it came from, when not from the namespace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<RefSource>,
    },
    /// A Task.
    #[serde(rename_all = "camelCase")]
    Task {
        /// Its spec, defaulted and validated.
        spec: Box<TaskSpec>,
        /// Its labels, which go on to the TaskRuns.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        labels: BTreeMap<String, String>,
        /// Its annotations, which go on to the TaskRuns.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        annotations: BTreeMap<String, String>,
        /// Where it came from, when not from the namespace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<RefSource>,
    },
    /// A StepAction.
    StepAction {
        /// Its spec, defaulted and validated.
        spec: Box<StepActionSpec>,
    },
    /// There is none of that name.
    NotFound {
        /// Names of that kind in the namespace.
        #[serde(default)]
        names: Vec<String>,
    },
    /// It could not be had: a resolver failed, or what it found is no valid object.
    Failed {
        /// Why, for people.
        message: String,
    },
}

/// A reference and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// What was asked for.
    pub reference: Reference,
    /// The answer.
    pub answer: Answer,
}

/// Answers, kept with the run: replay reads no object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Resolution {
    /// In the order in which they were asked for.
    pub found: Vec<Found>,
}

impl Resolution {
    /// The answer to a reference, if there is one yet.
    #[must_use]
    pub fn answer(&self, reference: &Reference) -> Option<&Answer> {
        self.found
            .iter()
            .find(|found| found.reference == *reference)
            .map(|found| &found.answer)
    }
}

/// What is still unanswered when `more` comes to what the run already knows; empty when the run can
/// start, or can be seen to fail.
#[must_use]
pub fn missing(state: &RunState, more: &Resolution) -> Vec<Reference> {
    state.questions(more)
}
