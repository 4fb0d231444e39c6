//! What a path consists of.

use thiserror::Error;

use crate::text::brief;

/// What is wrong with a path, or with the document it was tried on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Fault {
    message: String,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }

    pub(super) fn missing(name: &str) -> Self {
        Self::new(format!("{} is not found", brief(name)))
    }
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Segment {
    /// A field of an object.
    Field(String),
    /// Elements of a list: first, end and step.
    Slice(Slice),
    /// Everything in an object or list.
    All,
    /// Everything below, itself included.
    Below,
    /// What any of these finds.
    Union(Vec<Segment>),
    /// The elements of a list that pass.
    Filter(Filter),
}

/// Elements of a list; negative numbers count from its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Slice {
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
    pub(super) step: Option<i64>,
    /// Whether it is one index, which must be there.
    pub(super) single: bool,
}

/// `left <operator> right`, or whether `left` is there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Filter {
    pub(super) left: Operand,
    pub(super) test: Option<(Comparison, Operand)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    /// A path from the element, or from the document.
    Path {
        from_root: bool,
        segments: Vec<Segment>,
    },
    Text(String),
    Number(f64),
    Bool(bool),
}
