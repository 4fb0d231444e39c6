//! The decision record: what a run's log consists of.

use serde::{Deserialize, Serialize};

use crate::decision::{Change, Effect};
use crate::state::RunState;

/// One decision as it lies in stream `runs`, on the run's own subject: what a run's log consists of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Version of this payload.
    pub version: u64,
    /// Number within the run, from 1.
    pub number: u64,
    /// Tells this decision from one of another planner.
    pub id: String,
    /// Sequences of the facts it answers, in stream `facts`.
    pub facts: Vec<u64>,
    /// What changed.
    pub changes: Vec<Change>,
    /// What is done because of it, once it is stored.
    pub effects: Vec<Effect>,
    /// The whole state after the changes, whenever the changes since the last one outweigh it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Box<RunState>>,
    /// Trace context of the effects.
    pub traceparent: String,
}
