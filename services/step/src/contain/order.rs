//! What `sandbox` tells a container's process, and what that answers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tidemill_messages::sandbox::{Mount, Probe, Variable};

use super::Identity;
use crate::error::Error;

/// From `sandbox`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Build this.
    Build(Box<Build>),
    /// The maps of [`Word::Map`] are written.
    Mapped,
    /// Run this.
    Launch(Box<Launch>),
}

/// To `sandbox`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    /// The user namespace is made: write its maps.
    Map,
    /// Everything stands; waiting for [`Order::Launch`].
    Built,
    /// The sidecar's probe succeeded, or it has none.
    Ready,
    /// It does not work; the process ends.
    Failed {
        /// The task is at fault.
        by_task: bool,
        /// What, where, why.
        message: String,
        /// Exit code of the container.
        code: u8,
    },
}

impl Word {
    /// The word for an error.
    pub(crate) fn failed(error: &Error, code: u8) -> Self {
        Self::Failed {
            by_task: error.by_task(),
            message: error.chain(),
            code,
        }
    }
}

/// How to build what a container sees.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Build {
    /// Directory of the attempt.
    pub(crate) directory: PathBuf,
    /// The part of it that lies in memory.
    pub(crate) memory: PathBuf,
    /// Position among the steps, or, after them, the sidecars: names its own directories.
    pub(crate) position: usize,
    /// A sidecar: it shares no `/workspace` and no results with the steps.
    pub(crate) sidecar: bool,
    /// Who its processes are.
    pub(crate) identity: Identity,
    /// Covered, if that is not what usually is.
    pub(crate) hidden: Option<Vec<PathBuf>>,
    /// Its mounts, in the order they are made.
    pub(crate) mounts: Vec<Bound>,
    /// Where it starts; made if missing.
    pub(crate) working_directory: PathBuf,
}

/// A mount with its source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bound {
    /// Where, what part, how.
    pub(crate) mount: Mount,
    /// Directory of the volume.
    pub(crate) source: PathBuf,
    /// The source is looked up in the finished root, where what is hidden is covered.
    pub(crate) inside: bool,
}

/// How to run its program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// Program and arguments, final.
    pub(crate) argv: Vec<String>,
    /// All variables.
    pub(crate) environment: Vec<Variable>,
    /// Where it starts.
    pub(crate) working_directory: PathBuf,
    /// User, for root to choose.
    pub(crate) user: Option<u32>,
    /// Group, for root to choose.
    pub(crate) group: Option<u32>,
    /// What is asked of a sidecar, one after the other, before it counts as ready.
    pub(crate) probes: Vec<Probe>,
    /// The variables of this process are those of its image and stay.
    pub(crate) is_image: bool,
}
