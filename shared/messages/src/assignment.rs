//! What the step binary in a container is told about its attempt: one file for all containers of a pod,
//! made by the runner, at [`PATH`].
//!
//! It holds the way to the owner with credentials for this attempt alone, and values of Secrets so that
//! they can be masked: it travels as a Secret (or on a private file system), never in the pod's own
//! words.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::identity::AttemptKey;
use crate::plan::Plan;
use crate::report::Answer;
use crate::sandbox::{Content, File, Limits};

/// Where containers find it.
pub const PATH: &str = "/tekton/downward/assignment";
/// The directory in which the containers of a pod pass the turn on.
pub const TURNS_PATH: &str = "/tekton/run";
/// Numbers of reports that belong to one step: the step at position `p` numbers its reports without gaps
/// from `p * REPORTS_PER_STEP + 1`, so that all reports of an attempt are in order.
pub const REPORTS_PER_STEP: u64 = 1 << 32;

/// What a container's step binary is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// Version of this payload.
    pub version: u64,
    /// Whose reports they are.
    pub attempt: AttemptKey,
    /// The plan of the pod.
    pub plan: Plan,
    /// The way to the owner.
    pub line: Line,
    /// The first step waits for [`Answer::Start`]: a sidecar must be ready first.
    #[serde(default)]
    pub gated: bool,
    /// Values to be masked in logs and results.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub masked: Vec<Content>,
    /// Credentials of the ServiceAccount, as files below `/tekton/creds` and the step's home.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<File>,
    /// Lines for the log of the first step, before its own: what the runner warns of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What the attempt may write.
    pub limits: Limits,
}

/// The way from a step to whoever owns its attempt.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Line {
    /// Requests over NATS, each a [`crate::report::Report`], answered by a [`Reply`].
    Nats {
        /// `<ip>:<port>`: already resolved, since the binary is static and has no resolver.
        address: String,
        /// Lets in as this attempt and nothing else, until it expires.
        token: String,
    },
    /// Frames of [`crate::sandbox::Word`] and [`crate::sandbox::Order`] over a Unix socket.
    Socket {
        /// Where the socket lies in the container.
        path: String,
    },
}

impl fmt::Debug for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nats { address, .. } => write!(formatter, "Nats({address})"),
            Self::Socket { path } => write!(formatter, "Socket({path})"),
        }
    }
}

/// An answer over NATS. It names its attempt: who asks chooses where the answer goes, so one that was led
/// to another attempt's inbox must be known as such.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// The attempt.
    pub attempt: AttemptKey,
    /// What the owner says.
    pub answer: Answer,
}

/// Header of a report over NATS: its number. The report itself may be in several parts.
pub const SEQUENCE: &str = "Sequence";
/// Header: the lowest number the sender still keeps; all below it are durable.
pub const FROM: &str = "From";
/// Header: `<part>/<parts>`, from 1. Left out: the whole report.
pub const PART: &str = "Part";
/// Largest part of a report in one message, in bytes.
pub const PART_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_shown() {
        let line = Line::Nats {
            address: "10.0.0.1:4222".to_owned(),
            token: "hunter2".to_owned(),
        };
        assert_eq!(format!("{line:?}"), "Nats(10.0.0.1:4222)");
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
    }
}
