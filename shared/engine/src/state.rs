//! The state of a run: what its decisions so far add up to.

mod apply;
mod children;
mod counts;
mod live;
mod results;

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidemill_messages::RunKind;
use tidemill_resources::meta::ConditionStatus;
use tidemill_resources::pipeline_run::{PipelineRunResult, SkipReason};

use crate::child::Child;
use crate::decision::Stop;
use crate::error::Error;
use crate::limits::Limits;
use crate::plan::{self, Plan};
use crate::resolution::{Reference, Resolution};
use crate::run_object::RunObject;

pub(crate) use counts::Counts;
use live::Live;
pub(crate) use results::{Ends, Results};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Stage {
    /// Nothing is known of it.
    New,
    /// Another controller acts on it.
    Ignored,
    /// It waits for its `spec.status` to be cleared.
    Pending,
    /// It waits for what it refers to.
    Resolving,
    /// Its tasks run.
    Running,
    /// It is over.
    Over,
}

impl Stage {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ignored => "ignored",
            Self::Pending => "pending",
            Self::Resolving => "resolving",
            Self::Running => "running",
            Self::Over => "over",
        }
    }
}

/// Whether the run's object is there to stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Presence {
    /// It is.
    #[default]
    Kept,
    /// It is being deleted.
    Deleting,
    /// Nothing is left to do for it.
    Finished,
}

/// Where a pipeline task stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum NodePhase {
    /// Not decided.
    #[default]
    Waiting,
    /// Its children, `first .. first + count`, are not all over.
    Active {
        /// Position of the first.
        first: u32,
        /// How many there are.
        count: u32,
        /// How many are not over.
        left: u32,
    },
    /// All its children are over.
    Done {
        /// Position of the first.
        first: u32,
        /// How many there are.
        count: u32,
    },
    /// It does not run.
    Skipped {
        /// Why.
        reason: SkipReason,
    },
    /// It cannot run: a result it needs does not exist, or its matrix is none.
    Invalid {
        /// Reason with which the run fails.
        reason: String,
        /// Which, and why.
        message: String,
    },
}

/// Why nothing more starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stopped {
    pub(crate) stop: Stop,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
}

/// How the run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct End {
    pub(crate) at: Timestamp,
    pub(crate) status: ConditionStatus,
    pub(crate) reason: String,
    pub(crate) message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) results: Vec<PipelineRunResult>,
}

/// The state of a run. Written and read with serde it is a snapshot: the state of a snapshot and the
/// changes after it is the same as that of all changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Snapshot")]
pub struct RunState {
    pub(crate) uid: String,
    pub(crate) stage: Stage,
    #[serde(default)]
    pub(crate) presence: Presence,
    pub(crate) run: Option<Box<RunObject>>,
    pub(crate) limits: Box<Limits>,
    pub(crate) seen_at: Option<Timestamp>,
    pub(crate) resolution: Resolution,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finally_started_at: Option<Timestamp>,
    pub(crate) stopped: Option<Stopped>,
    pub(crate) end: Option<End>,
    pub(crate) wake: Option<Timestamp>,
    pub(crate) nodes: Vec<NodePhase>,
    pub(crate) children: Vec<Child>,
    pub(crate) queue: VecDeque<u32>,
    #[serde(skip)]
    pub(crate) live: Live,
}

/// [`RunState`] as it is stored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot {
    uid: String,
    stage: Stage,
    #[serde(default)]
    presence: Presence,
    run: Option<Box<RunObject>>,
    limits: Box<Limits>,
    seen_at: Option<Timestamp>,
    resolution: Resolution,
    started_at: Option<Timestamp>,
    finally_started_at: Option<Timestamp>,
    stopped: Option<Stopped>,
    end: Option<End>,
    wake: Option<Timestamp>,
    nodes: Vec<NodePhase>,
    children: Vec<Child>,
    queue: VecDeque<u32>,
}

impl TryFrom<Snapshot> for RunState {
    type Error = Error;

    fn try_from(stored: Snapshot) -> Result<Self, Error> {
        let mut state = Self {
            uid: stored.uid,
            stage: stored.stage,
            presence: stored.presence,
            run: stored.run,
            limits: stored.limits,
            seen_at: stored.seen_at,
            resolution: stored.resolution,
            started_at: stored.started_at,
            finally_started_at: stored.finally_started_at,
            stopped: stored.stopped,
            end: stored.end,
            wake: stored.wake,
            nodes: stored.nodes,
            children: stored.children,
            queue: stored.queue,
            live: Live::default(),
        };
        if state.started_at.is_some() {
            state.revive()?;
        }
        Ok(state)
    }
}

impl RunState {
    /// A run of which nothing is known but its UID.
    #[must_use]
    pub fn new(uid: impl Into<String>) -> Self {
        Self {
            uid: uid.into(),
            stage: Stage::New,
            presence: Presence::Kept,
            run: None,
            limits: Box::default(),
            seen_at: None,
            resolution: Resolution::default(),
            started_at: None,
            finally_started_at: None,
            stopped: None,
            end: None,
            wake: None,
            nodes: Vec::new(),
            children: Vec::new(),
            queue: VecDeque::new(),
            live: Live::default(),
        }
    }

    /// UID of the run.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Name of the run; empty before it was observed.
    #[must_use]
    pub fn name(&self) -> &str {
        self.run.as_ref().map_or("", |run| run.name())
    }

    /// Namespace of the run; empty before it was observed.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.run.as_ref().map_or("", |run| run.namespace())
    }

    /// Kind of the run; `None` before it was observed.
    #[must_use]
    pub fn kind(&self) -> Option<RunKind> {
        self.run.as_ref().map(|run| run.kind())
    }

    /// The object as it was when the run started.
    #[must_use]
    pub fn run(&self) -> Option<&RunObject> {
        self.run.as_deref()
    }

    /// Whether its tasks are, or were, to run: it got past resolution.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.started_at.is_some()
    }

    /// Whether it is over, or is none of ours: nothing of it may be started.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over | Stage::Ignored) || self.presence == Presence::Finished
    }

    /// Whether its object is being deleted.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        self.presence != Presence::Kept
    }

    /// The earliest time at which something is to be done without a fact.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if self.stage != Stage::Running {
            return None;
        }
        let attempts = self.live.deadlines.first().map(|(at, _)| *at);
        [self.run_deadline(), attempts].into_iter().flatten().min()
    }

    /// What the run still has to ask, given what it knows and `more`.
    pub(crate) fn questions(&self, more: &Resolution) -> Vec<Reference> {
        let Some(run) = &self.run else { return Vec::new() };
        if more.found.is_empty() {
            return plan::questions(run, &self.resolution);
        }
        let mut known = self.resolution.clone();
        known.found.extend(
            more.found
                .iter()
                .filter(|found| self.resolution.answer(&found.reference).is_none())
                .cloned(),
        );
        plan::questions(run, &known)
    }

    /// The plan; there is one as soon as the run has started.
    pub(crate) fn plan(&self) -> Option<&Arc<Plan>> {
        self.live.plan.as_ref()
    }

    /// The child with this key.
    pub(crate) fn child(&self, key: &str) -> Option<(u32, &Child)> {
        let position = *self.live.children.get(key)?;
        Some((position, &self.children[position as usize]))
    }

    /// What stopped the run.
    pub(crate) fn stop(&self) -> Option<Stop> {
        self.stopped.as_ref().map(|stopped| stopped.stop)
    }
}
