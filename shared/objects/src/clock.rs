//! What time it is.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Where timestamps come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    Wall,
    /// A fixed start that moves with tokio's clock, so that tests can pause it.
    Tokio {
        /// When `since` was.
        start: Timestamp,
        /// The instant that `start` names.
        since: Instant,
    },
}

impl Clock {
    /// A clock that starts at `start` and moves with tokio's.
    pub fn starting_at(start: Timestamp) -> Self {
        Self::Tokio {
            start,
            since: Instant::now(),
        }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Wall => Timestamp::now(),
            Self::Tokio { start, since } => {
                let passed = SignedDuration::try_from(since.elapsed()).unwrap_or_default();
                start.saturating_add(passed).unwrap_or(*start)
            }
        }
    }
}
