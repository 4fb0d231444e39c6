//! The state of a run: what its decisions so far add up to.

mod apply;
mod children;
mod counts;
mod live;
mod phase;
mod release;
mod results;
mod snapshot;

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidemill_messages::RunKind;

use crate::child::Child;
use crate::decision::Stop;
use crate::limits::Limits;
use crate::plan::{self, Plan};
use crate::resolution::{Reference, Resolution};
use crate::run_object::RunObject;

pub(crate) use counts::Counts;
use live::Live;
pub(crate) use live::after;
pub(crate) use phase::{End, NodePhase, Presence, Stage, Stopped};
pub(crate) use release::{Fallen, Hearing, ReleasePhase};
pub(crate) use results::{Ends, Results};
use snapshot::Snapshot;

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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) releases: Vec<release::Release>,
    #[serde(skip)]
    pub(crate) live: Live,
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
            releases: Vec::new(),
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
        [self.run_deadline(), attempts, self.release_deadline()]
            .into_iter()
            .flatten()
            .min()
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
