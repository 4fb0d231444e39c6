//! Encoding and decoding of payloads, and the headers all messages share.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// W3C trace context of the message's cause. In every message.
pub const TRACEPARENT: &str = "traceparent";
/// Id of a decision; on the decision itself, on what it brings about, and on hints of it.
pub const DECISION_ID: &str = "Tidemill-Decision-Id";
/// `true` on a decision after which the run is over: nothing of it may be started any more.
pub const RUN_OVER: &str = "Tidemill-Run-Over";
/// `true` on a decision that holds a full snapshot instead of a delta.
pub const SNAPSHOT: &str = "Tidemill-Snapshot";
/// On a decision that is no snapshot: the sequence of the last one before it that is; 0 = none.
pub const BASE: &str = "Tidemill-Base";
/// On a hint: the subject under which the announced task will be stored.
pub const TASK: &str = "Tidemill-Task";
/// On a task: how often this attempt was dispatched before, where that is not 0.
pub const DISPATCH: &str = "Tidemill-Dispatch";
/// The runner that holds a claim, `<id>/<incarnation>`.
pub const RUNNER: &str = "Tidemill-Runner";

/// A payload that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON of the expected shape.
    #[error("payload of `{subject}` is not a {expected}")]
    Malformed {
        /// Where it was.
        subject: String,
        /// Which type was expected.
        expected: &'static str,
        /// The decoder's words.
        #[source]
        source: serde_json::Error,
    },
    /// Written by a later version of Tidemill.
    #[error("payload of `{subject}` has version {found}; this Tidemill reads up to {known}: update it")]
    TooNew {
        /// Where it was.
        subject: String,
        /// Its version.
        found: u64,
        /// The newest version known.
        known: u64,
    },
    /// Larger than a message may be.
    #[error("payload for `{subject}` has {size} bytes; the limit is {limit}")]
    TooLarge {
        /// Where it should go.
        subject: String,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A subject that is not of the layout.
    #[error("subject `{subject}` is not of the form `{expected}`")]
    Subject {
        /// The subject.
        subject: String,
        /// The expected form.
        expected: &'static str,
    },
}

/// The version all payloads carry today.
pub const VERSION: u64 = 1;

/// Encodes `value` as JSON.
///
/// # Errors
/// [`Error::Malformed`] if the type cannot be written as JSON (a map with keys that are no strings).
pub fn encode<T: Serialize>(subject: &str, value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|source| malformed::<T>(subject, source))
}

/// Decodes a payload; its `version` (1 where absent) must be known.
///
/// # Errors
/// [`Error::TooNew`], [`Error::Malformed`].
pub fn decode<T: DeserializeOwned>(subject: &str, payload: &[u8]) -> Result<T, Error> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: Option<u64>,
    }
    serde_json::from_slice(payload).map_err(|source| {
        match serde_json::from_slice::<Versioned>(payload)
            .ok()
            .and_then(|head| head.version)
        {
            Some(found) if found > VERSION => Error::TooNew {
                subject: subject.to_owned(),
                found,
                known: VERSION,
            },
            _ => malformed::<T>(subject, source),
        }
    })
}

fn malformed<T>(subject: &str, source: serde_json::Error) -> Error {
    Error::Malformed {
        subject: subject.to_owned(),
        expected: std::any::type_name::<T>(),
        source,
    }
}
