//! What is wrong with the settings, all of it at once.

use std::fmt;

/// One wrong setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `planner.lost-after`.
    pub key: String,
    /// Where it was set: a file, an environment variable, a flag.
    pub origin: String,
    /// What is wrong and what was expected.
    pub message: String,
}

/// Everything wrong that was found so far; an error once there is anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    found: Vec<Problem>,
}

impl Problems {
    /// Gives itself as the error if anything was found.
    ///
    /// # Errors
    /// All problems.
    pub fn check(self) -> Result<(), Self> {
        if self.found.is_empty() { Ok(()) } else { Err(self) }
    }

    /// What was found, in the order of finding.
    pub fn found(&self) -> &[Problem] {
        &self.found
    }

    pub(crate) fn add(&mut self, key: String, origin: &str, message: String) {
        self.found.push(Problem {
            key,
            origin: origin.to_owned(),
            message,
        });
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.found.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(
                formatter,
                "{separator}{} ({}): {}",
                problem.key, problem.origin, problem.message
            )?;
        }
        Ok(())
    }
}
