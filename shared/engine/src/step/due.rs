//! Deadlines.

use super::turn::Turn;
use crate::decision::{CancelCause, Change};
use crate::error::Error;

impl Turn<'_> {
    /// Acts on every deadline that has passed. A timer that comes before its time says nothing; should it
    /// have been the only one, the sweep looks at the deadlines again.
    pub(super) fn due(&mut self) -> Result<(), Error> {
        let fired = self.state.wake.is_some_and(|wake| wake <= self.at);
        let passed = self.state.next_deadline().is_some_and(|deadline| deadline <= self.at);
        if !fired && !passed {
            return Ok(());
        }
        if fired {
            self.change(Change::Fired)?;
        }
        let now = self.at;
        for (_, stop) in self
            .state
            .run_deadlines()
            .into_iter()
            .flatten()
            .filter(|(at, _)| *at <= now)
        {
            self.stop(stop, "")?;
        }
        self.releases_due()?;
        for task in self.state.attempts_due(now) {
            self.end_attempt(&task, CancelCause::Timeout)?;
        }
        self.advance()
    }
}
