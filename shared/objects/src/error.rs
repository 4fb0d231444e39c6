//! What can go wrong with an object, in the words of Kubernetes' `Status`.

mod from;

use tidemill_resources::GroupResource;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Path of the field, such as `spec.tasks[2].when[0].operator`.
    pub field: String,
    /// One word for programs, such as `FieldValueInvalid`.
    pub reason: &'static str,
    /// What is wrong and what was expected.
    pub message: String,
}

/// A refused or failed call on the objects. Each variant is one reason of Kubernetes' `Status`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such object.
    #[error("{resource} \"{name}\" not found")]
    NotFound {
        /// Its resource.
        resource: GroupResource,
        /// Its name.
        name: String,
    },
    /// There is one of that name.
    #[error("{resource} \"{name}\" already exists")]
    AlreadyExists {
        /// Its resource.
        resource: GroupResource,
        /// Its name.
        name: String,
    },
    /// The object is not the one the caller has read.
    #[error("Operation cannot be fulfilled on {resource} \"{name}\": {message}")]
    Conflict {
        /// Its resource.
        resource: GroupResource,
        /// Its name.
        name: String,
        /// What differs.
        message: String,
    },
    /// Fields that are applied are other managers' and have other values.
    #[error("{message}")]
    FieldConflict {
        /// All of them, in words.
        message: String,
        /// Each of them.
        causes: Vec<Cause>,
    },
    /// The object breaks the rules of its kind.
    #[error("{kind}{} \"{name}\" is invalid: {}", dotted(group), joined(causes))]
    Invalid {
        /// Group of the kind; empty for the core group.
        group: String,
        /// The kind.
        kind: String,
        /// Name of the object, or its `generateName`.
        name: String,
        /// Each field that is wrong; at least one.
        causes: Vec<Cause>,
    },
    /// The version asked for is no longer known: list again.
    #[error("{message}")]
    Expired {
        /// Which version, and what is known.
        message: String,
    },
    /// The request makes no sense.
    #[error("{message}")]
    BadRequest {
        /// What was expected.
        message: String,
    },
    /// The state of another object forbids it.
    #[error("{resource} \"{name}\" is forbidden: {message}")]
    Forbidden {
        /// The resource.
        resource: GroupResource,
        /// Name of the object.
        name: String,
        /// Why.
        message: String,
    },
    /// The object is larger than the limit.
    #[error("{resource} \"{name}\" has {size} bytes; the limit is {limit} ({setting})")]
    TooLarge {
        /// Its resource.
        resource: GroupResource,
        /// Its name.
        name: String,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
        /// Name of the limit.
        setting: &'static str,
    },
    /// The store takes nothing more, or too many writers are at one object.
    #[error("{message}")]
    TooManyRequests {
        /// What is exhausted.
        message: String,
        /// When to try again, in seconds.
        retry_after_s: u64,
    },
    /// The store cannot be read now: nothing is known about what exists.
    #[error("the objects cannot be read now: {message}")]
    Unavailable {
        /// Why.
        message: String,
        /// The cause below.
        #[source]
        source: Option<Source>,
    },
    /// It took too long; a write may have been stored.
    #[error("{message}")]
    Timeout {
        /// What was waited for.
        message: String,
    },
    /// A fault of Tidemill or of its set-up.
    #[error("{message}")]
    Internal {
        /// What failed, without internals.
        message: String,
        /// The cause below.
        #[source]
        source: Option<Source>,
    },
}

impl Error {
    /// The HTTP status.
    pub fn code(&self) -> u16 {
        match self {
            Self::BadRequest { .. } => 400,
            Self::Forbidden { .. } => 403,
            Self::NotFound { .. } => 404,
            Self::AlreadyExists { .. } | Self::Conflict { .. } | Self::FieldConflict { .. } => 409,
            Self::Expired { .. } => 410,
            Self::TooLarge { .. } => 413,
            Self::Invalid { .. } => 422,
            Self::TooManyRequests { .. } => 429,
            Self::Internal { .. } => 500,
            Self::Unavailable { .. } => 503,
            Self::Timeout { .. } => 504,
        }
    }

    /// The reason in Kubernetes' `Status`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadRequest { .. } => "BadRequest",
            Self::Forbidden { .. } => "Forbidden",
            Self::NotFound { .. } => "NotFound",
            Self::AlreadyExists { .. } => "AlreadyExists",
            Self::Conflict { .. } | Self::FieldConflict { .. } => "Conflict",
            Self::Expired { .. } => "Expired",
            Self::TooLarge { .. } => "RequestEntityTooLarge",
            Self::Invalid { .. } => "Invalid",
            Self::TooManyRequests { .. } => "TooManyRequests",
            Self::Internal { .. } => "InternalError",
            Self::Unavailable { .. } => "ServiceUnavailable",
            Self::Timeout { .. } => "Timeout",
        }
    }

    /// Whether the same call may succeed later without the caller changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. } | Self::Timeout { .. } | Self::TooManyRequests { .. }
        )
    }

    /// Whether this is [`Error::NotFound`].
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable {
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::BadRequest {
            message: message.into(),
        }
    }
}

fn dotted(group: &str) -> String {
    if group.is_empty() {
        String::new()
    } else {
        format!(".{group}")
    }
}

fn joined(causes: &[Cause]) -> String {
    let texts: Vec<String> = causes
        .iter()
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect();
    match &texts[..] {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

#[cfg(test)]
mod tests;
