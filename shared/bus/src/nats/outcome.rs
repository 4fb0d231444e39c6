//! What the server's answers and silences mean.

use serde::Deserialize;

use crate::Error;

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nobody listens on the subject: nothing was done.
    Nobody,
    /// No answer in time, or the connection was lost: perhaps it was done.
    Lost,
    /// The client would not send it.
    Unsendable,
}

/// JetStream's error object.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ApiError {
    #[serde(default)]
    pub(super) err_code: u64,
    #[serde(default)]
    pub(super) description: String,
}

pub(super) const STREAM_NOT_FOUND: u64 = 10059;
pub(super) const CONSUMER_NOT_FOUND: u64 = 10014;
pub(super) const MESSAGE_NOT_FOUND: u64 = 10037;
pub(super) const STREAM_NAME_IN_USE: u64 = 10058;
/// The stream wants more of the storage than is left.
pub(super) const STORAGE_EXCEEDED: u64 = 10047;

/// What a refused publish means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The expectation does not hold.
    Conflict,
    /// Not stored, and worth the same try again shortly.
    Busy,
    /// The stream may not grow.
    Full,
    TooLarge,
    MissingStream,
    Other,
}

impl ApiError {
    /// By number, never by words, but for 10077, which wraps the file store's errors.
    pub(super) fn refusal(&self) -> Refusal {
        match self.err_code {
            10071 => Refusal::Conflict,
            // Another write to the subject, or its id, is in flight; the API is overloaded.
            10164 | 10158 | 10163 | 10008 | 10167 => Refusal::Busy,
            10023 | 10028 | 10047 | 10122 => Refusal::Full,
            10077 if self.description.contains("maximum") && !self.description.contains("size") => Refusal::Full,
            10054 => Refusal::TooLarge,
            STREAM_NOT_FOUND => Refusal::MissingStream,
            _ => Refusal::Other,
        }
    }

    /// Whether a cluster says so while it is choosing a leader, or an overloaded API: ask again.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self.err_code, 10008 | 10009 | 10167)
    }

    pub(super) fn refused(self, what: impl Into<String>) -> Error {
        Error::Refused {
            what: what.into(),
            reason: self.description,
            code: self.err_code,
        }
    }
}

pub(super) fn missing(what: &'static str, name: &str) -> Error {
    Error::Missing {
        what,
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(err_code: u64, description: &str) -> ApiError {
        ApiError {
            err_code,
            description: description.to_owned(),
        }
    }

    #[test]
    fn codes_decide() {
        for (code, words, refusal) in [
            (10071, "wrong last sequence: 7", Refusal::Conflict),
            (10164, "wrong last sequence", Refusal::Busy),
            (10158, "duplicate message id is in process", Refusal::Busy),
            (10023, "insufficient resources", Refusal::Full),
            (10077, "maximum bytes exceeded", Refusal::Full),
            (10077, "maximum messages exceeded", Refusal::Full),
            (10077, "write: input/output error", Refusal::Other),
            (10054, "message size exceeds maximum allowed", Refusal::TooLarge),
            (10059, "stream not found", Refusal::MissingStream),
            (10188, "message schedules is disabled", Refusal::Other),
        ] {
            assert_eq!(error(code, words).refusal(), refusal, "{code} {words}");
        }
    }
}
