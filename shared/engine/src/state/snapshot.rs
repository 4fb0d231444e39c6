//! A state read back: what was stored, and the rest computed from it.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Deserialize;

use super::live::Live;
use super::release::Release;
use super::{End, NodePhase, Presence, RunState, Stage, Stopped};
use crate::child::Child;
use crate::error::Error;
use crate::limits::Limits;
use crate::resolution::Resolution;
use crate::run_object::RunObject;

/// [`RunState`] as it is stored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snapshot {
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
    #[serde(default)]
    releases: Vec<Release>,
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
            releases: stored.releases,
            live: Live::default(),
        };
        if state.started_at.is_some() {
            state.revive()?;
        }
        Ok(state)
    }
}
