//! So many requests a second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A bucket that fills with the time; each request takes one out of it.
pub(crate) struct Rate {
    per_second: f64,
    /// What the bucket holds.
    burst: f64,
    state: Mutex<(f64, Instant)>,
}

impl Rate {
    /// A full bucket that holds as much as a second brings.
    pub(crate) fn new(per_second: u32) -> Self {
        Self::with_burst(f64::from(per_second), f64::from(per_second))
    }

    /// A full bucket.
    pub(crate) fn with_burst(burst: f64, per_second: f64) -> Self {
        Self {
            per_second,
            burst,
            state: Mutex::new((burst, Instant::now())),
        }
    }

    /// Whether one more request may come in; else how long to wait.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (left, since) = *state;
        let left = (left + now.duration_since(since).as_secs_f64() * self.per_second).min(self.burst);
        *state = (left, now);
        if left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - left) / self.per_second));
        }
        state.0 = left - 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_fills_with_the_time() {
        let rate = Rate::new(2);
        assert!(rate.take().is_ok() && rate.take().is_ok());
        let wait = rate.take().unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        tokio::time::advance(wait).await;
        assert!(rate.take().is_ok());
        assert!(rate.take().is_err());
    }
}
