//! A problem with its file, document, line and the line's text.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::compose::Broken;
use super::source::Source;
use super::tree::{Mark, Node};
use crate::path::{Path, Segment};
use crate::problem::{Problem, Severity};

/// Characters of a line that are shown.
const LINE_CHARS_MAX: usize = 120;

/// Line and column from 1, and how many characters are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Line of the file.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
    /// Characters on that line, at least one.
    pub length: usize,
}

/// A problem of a file. `Display` is one line; [`Diagnostic::render`] shows the place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// File.
    pub file: String,
    /// Document of the file, from 1; absent when the file as a whole is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<usize>,
    /// The problem; its path is that in the document.
    pub problem: Problem,
    /// Where in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Text of the line.
    #[serde(skip)]
    text: Option<String>,
}

/// Where an object stands: enough to locate its problems later.
#[derive(Clone, Debug)]
pub(super) struct Place {
    file: Arc<str>,
    document: usize,
    source: Arc<Source>,
    root: Arc<Node>,
    prefix: Vec<Segment>,
}

impl Place {
    pub(super) fn new(file: &str, document: usize, source: &Arc<Source>, root: &Arc<Node>) -> Self {
        let (source, root) = (Arc::clone(source), Arc::clone(root));
        Self {
            file: file.into(),
            document,
            source,
            root,
            prefix: Vec::new(),
        }
    }

    /// An object inside the document.
    pub(super) fn below(&self, prefix: Vec<Segment>) -> Self {
        Self { prefix, ..self.clone() }
    }

    pub(super) fn file(&self) -> &str {
        &self.file
    }

    pub(super) fn document(&self) -> usize {
        self.document
    }

    /// Lines of a document with a Secret are not shown.
    fn is_secret(&self) -> bool {
        self.root.has_secret()
    }

    pub(super) fn locate(&self, mut problem: Problem) -> Diagnostic {
        problem.path = Path::from([self.prefix.as_slice(), problem.path.segments()].concat());
        let mark = self.root.find(&problem.path, problem.at_key);
        Diagnostic {
            file: self.file.to_string(),
            document: Some(self.document),
            problem,
            position: Some(mark.into()),
            text: if self.is_secret() {
                None
            } else {
                self.source.line(mark.line)
            },
        }
    }
}

impl Diagnostic {
    /// A problem of a file as a whole.
    pub(super) fn of_file(file: &str, problem: Problem) -> Self {
        Self {
            file: file.to_owned(),
            document: None,
            problem,
            position: None,
            text: None,
        }
    }

    /// The text that could not be read.
    pub(super) fn broken(file: &str, bytes: &[u8], broken: Broken) -> Self {
        let mut problem = Problem::new(Path::default(), broken.message, Severity::Error);
        problem.expected = broken.expected;
        // A file over its limit has no mark and is not looked through; one that
        // may hold a Secret is not shown.
        let text = broken.mark.and_then(|mark| {
            let source = Source::new(bytes);
            if source.may_hold_secret() {
                None
            } else {
                source.line(mark.line)
            }
        });
        let position = broken.mark.map(Position::from);
        Self {
            file: file.to_owned(),
            document: broken.document,
            problem,
            position,
            text,
        }
    }

    /// The problem as people read it, the line of the file below it.
    #[must_use]
    pub fn render(&self) -> String {
        let severity = match self.problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let head = format!("{severity}: {}{}", self.head(), self.problem.message);
        let told = self.told();
        let (Some(position), Some(text)) = (self.position, &self.text) else {
            return if told.is_empty() {
                head
            } else {
                format!("{head}: {told}")
            };
        };
        let (text, column) = cropped(text, position.column);
        let room = text.chars().count().saturating_sub(column - 1).max(1);
        let number = position.line.to_string();
        let gutter = " ".repeat(number.len());
        let pad: String = text
            .chars()
            .take(column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let carets = "^".repeat(position.length.clamp(1, room));
        format!("{head}\n{gutter} |\n{number} | {text}\n{gutter} | {pad}{carets} {told}")
            .trim_end()
            .to_owned()
    }

    /// `expected` and hint, as they stand beside the carets.
    fn told(&self) -> String {
        let expected = self
            .problem
            .expected
            .as_ref()
            .map(|expected| format!("expected {expected}"));
        match (expected, &self.problem.hint) {
            (Some(expected), Some(hint)) => format!("{expected} ({hint})"),
            (Some(expected), None) => expected,
            (None, Some(hint)) => hint.clone(),
            (None, None) => String::new(),
        }
    }

    fn head(&self) -> String {
        let mut head = self.file.clone();
        if let Some(document) = self.document {
            head.push_str(&format!(", document {document}"));
        }
        if !self.problem.path.is_root() {
            head.push_str(&format!(", {}", self.problem.path));
        } else if let Some(position) = self.position.filter(|_| self.problem.is_error()) {
            head.push_str(&format!(", line {}", position.line));
        }
        head.push_str(": ");
        head
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.head(), self.problem.message)?;
        if let Some(expected) = &self.problem.expected {
            write!(formatter, ", expected {expected}")?;
        }
        if let Some(hint) = &self.problem.hint {
            write!(formatter, " ({hint})")?;
        }
        Ok(())
    }
}

impl From<Mark> for Position {
    fn from(mark: Mark) -> Self {
        Self {
            line: mark.line,
            column: mark.column,
            length: mark.length.max(1),
        }
    }
}

/// The part of a line around a column, and the column in that part.
fn cropped(text: &str, column: usize) -> (String, usize) {
    let chars: Vec<char> = text.chars().collect();
    let column = column.clamp(1, chars.len() + 1);
    if chars.len() <= LINE_CHARS_MAX {
        return (text.to_owned(), column);
    }
    let start = (column - 1).saturating_sub(LINE_CHARS_MAX / 3);
    let shown: String = chars[start..].iter().take(LINE_CHARS_MAX).collect();
    let before = if start > 0 { "…" } else { "" };
    let after = if start + LINE_CHARS_MAX < chars.len() {
        "…"
    } else {
        ""
    };
    (
        format!("{before}{shown}{after}"),
        column - start + before.chars().count(),
    )
}
