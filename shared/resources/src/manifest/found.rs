//! The problems of a set of files, bounded.

use super::diagnostic::Diagnostic;
use crate::path::Path;
use crate::problem::{Problem, Severity};

/// Errors of a set after which no further document is looked at, and warnings
/// after which no further one is told.
pub const DIAGNOSTICS_MAX: usize = 1000;

/// What was found so far.
#[derive(Default)]
pub(super) struct Found {
    list: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
}

impl Found {
    pub(super) fn add(&mut self, diagnostic: Diagnostic) {
        let count = if diagnostic.problem.is_error() {
            &mut self.errors
        } else {
            &mut self.warnings
        };
        *count += 1;
        if *count <= DIAGNOSTICS_MAX {
            self.list.push(diagnostic);
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Whether so much is wrong that the rest need not be looked at.
    pub(super) fn is_full(&self) -> bool {
        self.errors >= DIAGNOSTICS_MAX
    }

    /// What was found; a last warning tells what was left out.
    pub(super) fn into_vec(mut self) -> Vec<Diagnostic> {
        let dropped = (self.errors + self.warnings).saturating_sub(self.list.len());
        if let Some(file) = self
            .list
            .last()
            .map(|last| last.file.clone())
            .filter(|_| dropped > 0 || self.is_full())
        {
            let message = match dropped {
                0 => "too much is wrong, the rest was not looked at".to_owned(),
                dropped => format!("{dropped} more problems are not told"),
            };
            self.list.push(Diagnostic::of_file(
                &file,
                Problem::new(Path::default(), message, Severity::Warning),
            ));
        }
        self.list
    }
}
