//! What can go wrong, and whose fault it is.

use std::io;

use tidemill_messages::sandbox::Word;

/// Why an attempt cannot be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The task asks for what cannot be.
    #[error("{message}")]
    Task {
        /// What, where, expected.
        message: String,
    },
    /// The machine does not allow it, or is at fault.
    #[error("cannot {action}")]
    Place {
        /// What was tried.
        action: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The other side of a socket does not speak as agreed.
    #[error("cannot understand the other side of the socket")]
    Wire(#[source] tidemill_messages::envelope::Error),
}

impl Error {
    /// The fault of the task.
    pub(crate) fn task(message: impl Into<String>) -> Self {
        Self::Task {
            message: message.into(),
        }
    }

    /// Whether the task is at fault.
    pub(crate) fn by_task(&self) -> bool {
        matches!(self, Self::Task { .. })
    }

    /// The error and its causes in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

/// The error as it is told to a runner.
pub(crate) fn refused(error: &Error) -> Word {
    Word::Refused {
        by_task: error.by_task(),
        message: error.chain(),
    }
}

/// Says what was being done when the system refused.
pub(crate) trait Doing<T> {
    /// Adds the action, an infinitive: `mount /proc`.
    fn doing<S: Into<String>>(self, action: impl FnOnce() -> S) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing<S: Into<String>>(self, action: impl FnOnce() -> S) -> Result<T, Error> {
        self.map_err(|source| Error::Place {
            action: action().into(),
            source: source.into(),
        })
    }
}
