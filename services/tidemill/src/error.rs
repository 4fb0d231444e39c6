//! What can go wrong, in words for the person at the terminal.

mod told;

use std::error::Error as StdError;
use std::path::PathBuf;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well.
    Success,
    /// Something failed: the run, or the command.
    Failure,
    /// Ctrl-C.
    Interrupted,
    /// The command line, a setting or the set-up is at fault.
    Usage,
}

/// Why a command could not do what was asked. `Display` names what and where; the cause is its
/// source, what to do next its [`Error::hint`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line or a setting is at fault.
    #[error("{message}")]
    Usage {
        /// What is wrong, and what was expected.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Files are at fault; the text is complete, with snippets.
    #[error("{report}")]
    Files {
        /// One block a problem.
        report: String,
        /// How many problems.
        count: usize,
    },
    /// What was asked cannot be done as things are.
    #[error("{message}")]
    Failed {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The operating system refused.
    #[error("cannot {action}")]
    Io {
        /// What was tried, with the path.
        action: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// No server runs with this state directory.
    #[error("no server runs with the state directory {}", state_dir.display())]
    NotRunning {
        /// The directory.
        state_dir: PathBuf,
    },
    /// Another server holds the state directory.
    #[error("a server already runs with the state directory {}: process {pid}, at {address}", state_dir.display())]
    AlreadyRunning {
        /// The directory.
        state_dir: PathBuf,
        /// Its process.
        pid: i32,
        /// Its address, or `an address not yet known`.
        address: String,
    },
    /// The server does not answer.
    #[error("no server answers at {address}")]
    Unreachable {
        /// Where it was expected.
        address: String,
        /// Why not.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The server said no.
    #[error("{message}")]
    Refused {
        /// What the server said.
        message: String,
        /// Kubernetes' reason, such as `NotFound`.
        reason: String,
        /// HTTP status.
        code: u16,
    },
    /// A part of the server could not start, or ended.
    #[error("the {service} failed")]
    Service {
        /// `gateway`, `planner`, `runner`, `bus`, `nats-server`.
        service: &'static str,
        /// Why.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The nats-server cannot be used.
    #[error("cannot use the {what}")]
    Bus {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The streams cannot be made.
    #[error("cannot make the streams, {} MiB in sum, on the {what}", wanted / (1024 * 1024))]
    Streams {
        /// Which nats-server.
        what: String,
        /// What they would reserve, in bytes.
        wanted: u64,
        /// Why not.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// nats-server is missing, too old, or does not start.
    #[error("{message}")]
    NatsServer {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Should not happen.
    #[error("cannot {action}")]
    Internal {
        /// What was tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl Exit {
    /// The process' exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 64,
            Self::Interrupted => 130,
        }
    }
}

impl Error {
    /// The command line or a setting is at fault.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hint: None,
        }
    }

    /// The same, with what to do.
    pub(crate) fn usage_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// What was asked cannot be done as things are, with what to do.
    pub(crate) fn failed(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// For `map_err`: `cannot {action}`.
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    /// For `map_err`: a part of the server failed.
    pub(crate) fn service<E: StdError + Send + Sync + 'static>(service: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Service {
            service,
            source: Box::new(source),
        }
    }

    /// For what should not happen.
    pub(crate) fn internal(action: &'static str, source: impl StdError + Send + Sync + 'static) -> Self {
        Self::Internal {
            action,
            source: Box::new(source),
        }
    }

    /// Whether the server says that there is no such object.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }

    /// Whether the server says that the object exists already.
    pub(crate) fn is_already_exists(&self) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason == "AlreadyExists")
    }

    /// Whether a watch must begin anew.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Refused { code: 410, .. })
    }

    /// Whether waiting may help: the server is not there or not ready.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Refused {
                    code: 429 | 500..=599,
                    ..
                }
        )
    }
}
