//! What can go wrong.

use tidemill_bus::{Retry, blob};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bus failed.
    #[error("the bus failed")]
    Bus(#[from] tidemill_bus::Error),
    /// A payload that is stored apart could not be read.
    #[error("a payload could not be read")]
    Blob(#[from] blob::Error),
    /// A record cannot be read.
    #[error("a record cannot be read")]
    Payload(#[from] tidemill_messages::Error),
    /// A run's log makes no sense.
    #[error("the log of a run cannot be replayed")]
    Engine(#[from] tidemill_engine::Error),
}

impl Error {
    /// Whether the same may work later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Bus(error) | Self::Blob(blob::Error::Bus { source: error, .. }) => error.retry() != Retry::Never,
            _ => false,
        }
    }
}
