//! Why a text cannot be read.

use serde_saphyr::granit_parser::{ErrorKind, ScanError};

use crate::manifest::limits::Limits;
use crate::manifest::tree::Mark;

/// A text that cannot be read.
#[derive(Debug)]
pub(in crate::manifest) struct Broken {
    pub(in crate::manifest) document: Option<usize>,
    pub(in crate::manifest) mark: Option<Mark>,
    pub(in crate::manifest) message: String,
    pub(in crate::manifest) expected: Option<String>,
}

impl Broken {
    /// Something wrong at a place of a document.
    pub(super) fn at(document: usize, mark: Mark, message: impl Into<String>) -> Self {
        Self {
            document: Some(document.max(1)),
            mark: Some(mark),
            message: message.into(),
            expected: None,
        }
    }

    /// Something wrong with the file as a whole.
    pub(super) fn file(message: impl Into<String>, expected: Option<String>) -> Self {
        Self {
            document: None,
            mark: None,
            message: message.into(),
            expected,
        }
    }

    /// A document over its size, before or after aliases are replaced.
    pub(super) fn too_large(document: usize, mark: Mark, message: &str, limits: &Limits) -> Self {
        let expected = format!(
            "at most {} bytes and {} values a document",
            limits.document_bytes, limits.values
        );
        Self {
            expected: Some(expected),
            ..Self::at(document, mark, message)
        }
    }

    /// Nested over the limit.
    pub(super) fn too_deep(document: usize, mark: Mark, limits: &Limits) -> Self {
        let expected = format!("at most {} levels", limits.depth);
        Self {
            expected: Some(expected),
            ..Self::at(document, mark, "lists and objects are nested too deep")
        }
    }

    /// What the parser itself refuses.
    pub(super) fn refused(document: usize, error: &ScanError, limits: &Limits) -> Self {
        let marker = error.marker();
        let mark = Mark {
            line: marker.line(),
            column: marker.col() + 1,
            length: 1,
        };
        match error.kind() {
            ErrorKind::RecursionLimitExceeded => Self::too_deep(document, mark, limits),
            kind => Self::at(document, mark, kind.to_string()),
        }
    }
}
