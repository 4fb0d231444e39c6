//! What the engine decides: changes of the state and effects on the world.

mod change;
mod effect;
mod stop;

use serde::{Deserialize, Serialize};

pub use change::Change;
pub use effect::Effect;
pub use stop::{CancelCause, Stop, Verdict};

/// The answer to a fact. Stored as it is; its changes are applied already.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// What changed, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What is to be done, in order, after the decision is stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
}

impl Decision {
    /// Whether there is nothing to store: the fact was known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.effects.is_empty()
    }
}
