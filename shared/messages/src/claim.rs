//! Claims and leases: who owns an attempt, who is alive.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Holder of an attempt. The newest message of the claim's subject owns it; the first expects
/// sequence 0, a takeover the sequence of the claim it replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// Version of this payload.
    pub version: u64,
    /// The runner's id; [`Claim::PLANNER`] when the planner took the claim so that nobody starts the
    /// attempt any more.
    pub runner: String,
    /// Which life of that runner: a new UUID at each start.
    pub incarnation: String,
    /// The class of the task, so that only runners that can adopt it take it over.
    pub class: String,
    /// Where the task's command lies in stream `runs`; 0 in a planner's claim, and where it was not
    /// stored yet.
    pub command_sequence: u64,
    /// The subject of the task's command, where it was claimed before it was stored: then it may never
    /// be, if its planner died.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command_subject: String,
    /// The boot of the machine on which a step may have been started, where steps end with the machine;
    /// empty else. After another boot nothing of the attempt can be told from its files: a power cut may
    /// have taken them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub boot_id: String,
}

impl Claim {
    /// The id under which the planner takes claims.
    pub const PLANNER: &'static str = "=planner";
}

/// A runner's sign of life, renewed every 3 s by compare-and-set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// Version of this payload.
    pub version: u64,
    /// Its id.
    pub runner: String,
    /// Which life of it.
    pub incarnation: String,
    /// The classes it takes.
    pub classes: Vec<String>,
    /// The host (or other place) whose attempts it can adopt.
    pub place: String,
    /// How many tasks it runs at once.
    pub slots: u32,
    /// How many it runs now.
    pub busy: u32,
    /// Grows with every renewal, so that a renewal is always a change.
    pub renewal: u64,
    /// It ends and takes nothing new; its claims may be taken over at once.
    pub leaving: bool,
}

impl Lease {
    /// A lease that has not changed for so long is of a dead runner (R2).
    pub const EXPIRY: Duration = Duration::from_secs(10);
}
