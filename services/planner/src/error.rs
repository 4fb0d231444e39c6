//! What can go wrong in the planner.

use tidemill_bus::{Retry, blob};

/// A failure of the planner.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bus failed.
    #[error("the bus failed")]
    Bus(#[from] tidemill_bus::Error),
    /// A blob could not be stored or read.
    #[error("a large payload could not be stored or read")]
    Blob(#[from] blob::Error),
    /// A payload could not be written or read.
    #[error("a payload could not be written or read")]
    Payload(#[from] tidemill_messages::Error),
    /// The engine refused a fact or could not replay a log.
    #[error("the engine cannot go on")]
    Engine(#[from] tidemill_engine::Error),
    /// An object could not be read or written.
    #[error("an object could not be read or written")]
    Objects(#[from] tidemill_objects::Error),
    /// Other planners decided first, again and again.
    #[error("run {run}: other planners decided first {tries} times in a row")]
    Contended {
        /// UID of the run.
        run: String,
        /// How often it was tried.
        tries: u32,
    },
    /// The planner is shutting down.
    #[error("the planner is shutting down")]
    Stopping,
    /// A task of the planner panicked.
    #[error("a task of the planner ended by a fault of its own: {task}")]
    Panicked {
        /// Which task.
        task: &'static str,
    },
}

impl Error {
    /// Whether the same call may succeed later, without anybody changing anything.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Bus(error) | Self::Blob(blob::Error::Bus { source: error, .. }) => error.retry() != Retry::Never,
            Self::Objects(error) => error.is_transient(),
            Self::Blob(_)
            | Self::Payload(_)
            | Self::Engine(_)
            | Self::Contended { .. }
            | Self::Stopping
            | Self::Panicked { .. } => false,
        }
    }
}
