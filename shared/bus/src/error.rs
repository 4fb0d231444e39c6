//! What can go wrong on the bus, and whether to try again.

use std::time::Duration;

/// What the caller should do with a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same call will fail the same way.
    Never,
    /// The same call may succeed after this long.
    After(Duration),
    /// Read back first: the call may have taken effect.
    ReadBack,
    /// State has moved on: reload, decide anew.
    Reload,
}

/// A failed call on the bus.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The subject's last sequence was not the expected one.
    #[error("`{subject}` has moved on: expected sequence {expected} was not its last")]
    Conflict {
        /// The literal subject.
        subject: String,
        /// What was expected.
        expected: u64,
    },
    /// No answer: stored or not, nobody knows.
    #[error("no answer about `{subject}` within {waited_ms} ms; it may be stored")]
    Unknown {
        /// The subject or API call.
        subject: String,
        /// How long was waited.
        waited_ms: u64,
    },
    /// The stream may not grow (max bytes, max file, too many messages).
    #[error("stream of `{subject}` is full: {limit}")]
    Full {
        /// The subject.
        subject: String,
        /// Which limit, in the server's words.
        limit: String,
    },
    /// Larger than the limit.
    #[error("message on `{subject}` has {size} bytes; the limit is {limit}")]
    TooLarge {
        /// The subject.
        subject: String,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The stream or consumer does not exist.
    #[error("no such {what}: `{name}`")]
    Missing {
        /// `stream` or `consumer`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A malformed subject, name or header.
    #[error("invalid {what} `{value}`: {expected}")]
    Invalid {
        /// What is malformed.
        what: &'static str,
        /// Its value.
        value: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The connection is closed or was never made.
    #[error("not connected to NATS at {address}")]
    Disconnected {
        /// The server's address, without credentials.
        address: String,
        /// Why, where known.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A remote address without TLS, and nobody said that this is meant.
    #[error("refusing to talk to {address} without TLS; use tls://, or say that an insecure connection is meant")]
    Insecure {
        /// The server's address, without credentials.
        address: String,
    },
    /// The server lacks what we need.
    #[error("found {found}, but {needed} is needed")]
    Unsupported {
        /// What answered.
        found: String,
        /// What would do.
        needed: &'static str,
    },
    /// The server refused for a reason that is a fault of the set-up.
    #[error("NATS refused {what}: {reason} (code {code})")]
    Refused {
        /// The call.
        what: String,
        /// The server's words.
        reason: String,
        /// JetStream's numeric code.
        code: u64,
    },
}

impl Error {
    /// What to do next.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Conflict { .. } => Retry::Reload,
            Self::Unknown { .. } => Retry::ReadBack,
            Self::Full { .. } => Retry::After(Duration::from_secs(5)),
            Self::Disconnected { .. } => Retry::After(Duration::from_millis(250)),
            Self::TooLarge { .. }
            | Self::Missing { .. }
            | Self::Invalid { .. }
            | Self::Insecure { .. }
            | Self::Unsupported { .. }
            | Self::Refused { .. } => Retry::Never,
        }
    }

    /// Whether this is [`Error::Conflict`].
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }
}
