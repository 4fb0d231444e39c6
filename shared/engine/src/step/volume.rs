//! Claims that could not be created.

use super::turn::Turn;
use crate::decision::Stop;
use crate::error::Error;
use crate::fact::Fact;

impl Turn<'_> {
    pub(super) fn volume_failed(&mut self, fact: &Fact, claim: &str, message: &str) -> Result<(), Error> {
        let known = self
            .state
            .plan()
            .is_some_and(|plan| plan.claims.iter().any(|known| known.name == claim));
        if !known {
            return Err(self.illegal(fact, "the run makes no such claim"));
        }
        self.stop(
            Stop::VolumeFailed,
            &format!("claim {claim:?} could not be created: {message}"),
        )?;
        self.advance()
    }
}
