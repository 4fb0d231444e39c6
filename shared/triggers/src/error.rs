//! What cannot be evaluated at all.

use thiserror::Error as ThisError;

/// Why something cannot be read. None of these goes away by trying again.
#[derive(Debug, ThisError)]
pub enum Error {
    /// A body that is refused; answered with 400.
    #[error("{0}")]
    Body(String),
    /// An object that has not the shape of its kind.
    #[error("{kind} {name} cannot be read: {problem}")]
    Unreadable {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// The first problem.
        problem: String,
    },
    /// A schedule that cannot be followed.
    #[error("annotation {annotation}: {why}, expected {expected}")]
    Schedule {
        /// The annotation.
        annotation: &'static str,
        /// What is wrong.
        why: String,
        /// What would be right.
        expected: &'static str,
    },
}
