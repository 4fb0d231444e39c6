//! Why a runner cannot run.

use std::path::PathBuf;

/// A fault that ends the runner. Lost connections are waited out and are none.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process of this id runs on this machine.
    #[error("another runner of the id `{id}` runs here and holds {}; stop it, or set another `runner.id`", path.display())]
    Locked {
        /// The id.
        id: String,
        /// The lock file.
        path: PathBuf,
    },
    /// The state directory cannot be made.
    #[error("cannot make the state directory {}", path.display())]
    StateDirectory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The lock file cannot be made.
    #[error("cannot lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Another runner of this id took the lease, from another machine.
    #[error("another runner of the id `{id}` is alive elsewhere; give each its own `runner.id`")]
    Usurped {
        /// The id.
        id: String,
    },
    /// The bus refused what every runner needs.
    #[error("cannot {action}")]
    Bus {
        /// What was tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: tidemill_bus::Error,
    },
    /// The backend cannot work here.
    #[error("tasks cannot be played on this host")]
    Backend(#[source] crate::backend::Error),
    /// A part of the runner broke: a fault of Tidemill.
    #[error("a part of the runner broke")]
    Helper(#[source] tokio::task::JoinError),
    /// A message of our own cannot be written: a fault of Tidemill.
    #[error("cannot write a message")]
    Message(#[source] tidemill_messages::Error),
}
