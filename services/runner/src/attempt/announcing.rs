//! When to tell that an attempt runs, and how far it is.

use std::time::Duration;

use tokio::time::Instant;

/// Attempts that run for longer are announced, and steps that started are told after so long.
const AFTER: Duration = Duration::from_millis(250);
/// A pod of which no step has started by then is announced all the same.
const LATEST: Duration = Duration::from_secs(2);

/// One announcement when the attempt has run for a while and a step has started; one more for each moment in which
/// further steps started. A short attempt is never announced.
pub(super) struct Announcing {
    start: Instant,
    at: Option<Instant>,
    /// Steps that had started at the last announcement.
    told: Option<usize>,
    count: u32,
}

impl Announcing {
    /// Of an attempt that is let go now.
    pub(super) fn new(start: Instant) -> Self {
        Self {
            start,
            at: Some(start + AFTER),
            told: None,
            count: 0,
        }
    }

    /// When to look again.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.at
    }

    /// So many steps have started by now.
    pub(super) fn heard(&mut self, started: usize, now: Instant) {
        match self.told {
            None if started > 0 => self.at = Some(now.max(self.start + AFTER)),
            Some(told) if started > told => {
                self.at.get_or_insert(now + AFTER);
            }
            _ => {}
        }
    }

    /// It is time: the number of the announcement to make, if one is to be made.
    pub(super) fn look(&mut self, started: usize, now: Instant) -> Option<u32> {
        let latest = self.start + LATEST;
        if self.told.is_none() && started == 0 && now < latest {
            self.at = Some(latest);
            return None;
        }
        self.at = None;
        self.told = Some(started);
        self.count += 1;
        Some(self.count - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_announced_when_its_first_step_starts() {
        let start = Instant::now();
        let mut announcing = Announcing::new(start);
        assert_eq!(announcing.due_at(), Some(start + AFTER));
        assert_eq!(announcing.look(0, start + AFTER), None);
        assert_eq!(announcing.due_at(), Some(start + LATEST));
        let started = start + Duration::from_secs(1);
        announcing.heard(1, started);
        assert_eq!(announcing.due_at(), Some(started));
        assert_eq!(announcing.look(1, started), Some(0));
        assert_eq!(announcing.due_at(), None);
    }

    #[test]
    fn a_pod_that_waits_is_announced_and_its_steps_later() {
        let start = Instant::now();
        let mut announcing = Announcing::new(start);
        assert_eq!(announcing.look(0, start + AFTER), None);
        assert_eq!(announcing.look(0, start + LATEST), Some(0));
        let later = start + Duration::from_secs(60);
        announcing.heard(1, later);
        announcing.heard(2, later + AFTER / 2);
        assert_eq!(announcing.due_at(), Some(later + AFTER), "both at once");
        assert_eq!(announcing.look(2, later + AFTER), Some(1));
        announcing.heard(2, later + AFTER);
        assert_eq!(announcing.due_at(), None);
    }
}
