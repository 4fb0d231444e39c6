//! Requests under way, and evaluation that lets them go first.
//!
//! A sender waits for its answer, and an event is safe only once it is stored. Nobody waits for the evaluation, which needs
//! the same processors and the same store: in a burst it begins a moment later.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// So many requests at once are a burst.
const MANY: usize = 8;
/// How long a burst may hold up the evaluation; then that goes on beside it for as long.
const PATIENCE: Duration = Duration::from_secs(1);

/// Requests under way.
pub(crate) struct Requests {
    most: usize,
    under_way: watch::Sender<usize>,
}

/// One of them, until dropped.
pub(crate) struct UnderWay<'a>(&'a watch::Sender<usize>);

impl Requests {
    /// None, and at most so many.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            under_way: watch::Sender::new(0),
        }
    }

    /// Begins one; `None` when there are as many as may be.
    pub(crate) fn begin(&self) -> Option<UnderWay<'_>> {
        let mut may_begin = false;
        self.under_way.send_if_modified(|count| {
            may_begin = *count < self.most;
            *count += usize::from(may_begin);
            // Who waits, waits for fewer.
            false
        });
        may_begin.then(|| UnderWay(&self.under_way))
    }

    /// Waits until there are few.
    async fn calm(&self) {
        // The sender lives as long as this does, so waiting does not fail.
        drop(self.under_way.subscribe().wait_for(|count| *count < MANY).await);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.send_if_modified(|count| {
            *count -= 1;
            *count < MANY
        });
    }
}

/// How evaluation gives way to requests.
#[derive(Default)]
pub(crate) struct Manners {
    /// Until when it does not.
    until: Option<Instant>,
}

impl Manners {
    /// Waits as long as a burst may hold up the evaluation.
    pub(crate) async fn give_way(&mut self, requests: &Requests) {
        if self.until.is_none_or(|until| until <= Instant::now()) {
            let waited = timeout(PATIENCE, requests.calm()).await;
            self.until = waited.is_err().then(|| Instant::now() + PATIENCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn evaluation_waits_for_the_end_of_a_burst() {
        let requests = Requests::new(2 * MANY);
        let mut manners = Manners::default();
        let mut burst: Vec<_> = (0..MANY).map_while(|_| requests.begin()).collect();
        let begin = Instant::now();
        assert!(manners.give_way(&requests).now_or_never().is_none());
        let end = async {
            tokio::time::sleep(PATIENCE / 2).await;
            burst.pop();
        };
        tokio::join!(manners.give_way(&requests), end);
        assert_eq!(begin.elapsed(), PATIENCE / 2);
        assert!(manners.give_way(&requests).now_or_never().is_some(), "few are no burst");
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_without_end_leaves_it_every_second_second() {
        let requests = Requests::new(2 * MANY);
        let mut manners = Manners::default();
        let _burst: Vec<_> = (0..MANY).map_while(|_| requests.begin()).collect();
        for _ in 0..2 {
            let begin = Instant::now();
            manners.give_way(&requests).await;
            assert_eq!(begin.elapsed(), PATIENCE);
            assert!(manners.give_way(&requests).now_or_never().is_some());
            tokio::time::advance(PATIENCE).await;
        }
    }

    #[test]
    fn there_are_at_most_so_many() {
        let requests = Requests::new(1);
        let one = requests.begin();
        assert!(one.is_some() && requests.begin().is_none());
        drop(one);
        assert!(requests.begin().is_some());
    }
}
