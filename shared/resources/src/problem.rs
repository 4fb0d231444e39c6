//! What is wrong with an object.

use std::fmt;

use serde::Serialize;

use crate::path::{At, Path};
use crate::similar::nearest;

/// Most problems kept of one object; what comes after is only counted.
pub const MAX_PROBLEMS: usize = 50;

/// Whether a problem refuses the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Told, not acted on.
    Warning,
    /// The object is refused.
    Error,
}

/// One thing that is wrong: where, what, what was expected, what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where, in the object as its author wrote it.
    pub path: Path,
    /// What is wrong.
    pub message: String,
    /// What would have been right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether it refuses the object.
    pub severity: Severity,
    /// Whether the field's name is meant, not its value.
    #[serde(skip)]
    pub at_key: bool,
}

/// The problems of one object, in the order they were found, at most [`MAX_PROBLEMS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    dropped: usize,
}

impl Problem {
    /// A problem that refuses the object.
    #[must_use]
    pub fn error(at: At<'_>, message: impl Into<String>) -> Self {
        Self::new(at.path(), message, Severity::Error)
    }

    /// A problem that is only told.
    #[must_use]
    pub fn warning(at: At<'_>, message: impl Into<String>) -> Self {
        Self::new(at.path(), message, Severity::Warning)
    }

    /// A problem at a kept path.
    #[must_use]
    pub fn new(path: Path, message: impl Into<String>, severity: Severity) -> Self {
        Self {
            path,
            message: message.into(),
            expected: None,
            hint: None,
            severity,
            at_key: false,
        }
    }

    /// Adds what would have been right.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says that the field's name is meant, not its value.
    #[must_use]
    pub fn of_key(mut self) -> Self {
        self.at_key = true;
        self
    }

    /// Whether it refuses the object.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_root() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.message)?;
        if let Some(expected) = &self.expected {
            write!(formatter, ", expected {expected}")?;
        }
        if let Some(hint) = &self.hint {
            write!(formatter, " ({hint})")?;
        }
        Ok(())
    }
}

impl Problems {
    /// Keeps a problem while there is room; an error displaces a warning.
    pub fn add(&mut self, problem: Problem) {
        if self.has_room(problem.severity) {
            self.list.push(problem);
        } else {
            self.dropped += 1;
        }
    }

    /// Makes room for an error at the cost of the last warning.
    fn has_room(&mut self, severity: Severity) -> bool {
        if self.list.len() < MAX_PROBLEMS {
            return true;
        }
        let last_warning = self.list.iter().rposition(|kept| !kept.is_error());
        match last_warning.filter(|_| severity == Severity::Error) {
            Some(index) => {
                self.list.remove(index);
                self.dropped += 1;
                true
            }
            None => false,
        }
    }

    /// Keeps a problem with a name that leads nowhere, hinting at the nearest
    /// of the names that do, else at `otherwise`. Looks for it only while
    /// there is room: comparing names is dear.
    pub(crate) fn add_near<'a>(
        &mut self,
        problem: Problem,
        name: &str,
        candidates: impl IntoIterator<Item = &'a str>,
        otherwise: Option<&str>,
    ) {
        if !self.has_room(problem.severity) {
            self.dropped += 1;
            return;
        }
        self.list.push(match (nearest(name, candidates), otherwise) {
            (Some(near), _) => problem.hint(format!("did you mean {near:?}?")),
            (None, Some(hint)) => problem.hint(hint),
            (None, None) => problem,
        });
    }

    /// Whether one of them refuses the object.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(Problem::is_error)
    }

    /// The problems that were kept.
    #[must_use]
    pub fn as_slice(&self) -> &[Problem] {
        &self.list
    }

    /// The problems; a last one tells how many there was no room for.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<Problem> {
        if self.dropped > 0 {
            let message = format!("{} more problems, only the first {MAX_PROBLEMS} are told", self.dropped);
            self.list
                .push(Problem::new(Path::default(), message, Severity::Warning));
        }
        self.list
    }

    /// Adds what another list holds, and what it had no room for.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.dropped += other.dropped;
        other.list.into_iter().for_each(|problem| self.add(problem));
    }

    /// Rewrites every problem, for those found in a converted object.
    pub(crate) fn rewrite(&mut self, rewrite: impl FnMut(&mut Problem)) {
        self.list.iter_mut().for_each(rewrite);
    }
}

/// Words as a list in prose: `a, b or c`.
pub(crate) fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_PROBLEMS, Problem, Problems};
    use crate::path::At;

    #[test]
    fn an_error_is_never_lost_among_warnings() {
        let mut problems = Problems::default();
        for _ in 0..MAX_PROBLEMS * 2 {
            problems.add(Problem::warning(At::ROOT, "told"));
        }
        problems.add(Problem::error(At::ROOT, "refused"));
        problems.add_near(Problem::error(At::ROOT, "refused too"), "a", ["b"], None);
        assert!(problems.has_errors());
        let list = problems.into_vec();
        assert_eq!(list.iter().filter(|problem| problem.is_error()).count(), 2);
        assert_eq!(list.len(), MAX_PROBLEMS + 1);
        assert_eq!(
            list[MAX_PROBLEMS].message,
            "52 more problems, only the first 50 are told"
        );
    }

    #[test]
    fn a_problem_is_one_line() {
        let problem = Problem::error(At::ROOT.key("spec"), "is wrong")
            .expected("right")
            .hint("try again");
        assert_eq!(problem.to_string(), "spec: is wrong, expected right (try again)");
    }
}
