//! Attempts that began before their task's message came, and ended before it, too.

use std::collections::VecDeque;

use tidemill_messages::AttemptKey;

/// Attempts remembered at most. A message that comes later than that is looked up in the store.
const REMEMBERED_MAX: usize = 64;

/// The latest of them.
#[derive(Default)]
pub(super) struct Late(VecDeque<AttemptKey>);

impl Late {
    pub(super) fn push(&mut self, key: AttemptKey) {
        if self.0.len() == REMEMBERED_MAX {
            self.0.pop_front();
        }
        self.0.push_back(key);
    }

    /// Whether the attempt is one of them; asked once.
    pub(super) fn take(&mut self, key: &AttemptKey) -> bool {
        let position = self.0.iter().position(|one| one == key);
        position.and_then(|position| self.0.remove(position)).is_some()
    }
}
