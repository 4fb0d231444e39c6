//! Why a run, or a task of it, cannot run as it is.

use crate::substitution::OutOfRange;

/// Reason and message of the condition with which it fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// One word, Tekton's where it has one.
    pub(crate) reason: &'static str,
    /// One sentence for people.
    pub(crate) message: String,
}

impl Refusal {
    /// Puts the two together.
    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

impl From<OutOfRange> for Refusal {
    fn from(error: OutOfRange) -> Self {
        Self::new("ParamArrayIndexingInvalid", error.to_string())
    }
}
