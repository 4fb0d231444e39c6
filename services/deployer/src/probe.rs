//! Where a test ends a deployer half-way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Error;

/// Ends one deployer of this process at the n-th pass of any place between two writes, as if it had
/// been killed there. The default ends nothing.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    left: Option<Arc<AtomicU64>>,
    reached: Arc<AtomicU64>,
}

impl Probe {
    /// Ends it at pass number `passes`, from 1.
    pub fn after(passes: u64) -> Self {
        Self {
            left: Some(Arc::new(AtomicU64::new(passes))),
            reached: Arc::default(),
        }
    }

    /// Whether it ended the deployer.
    pub fn reached(&self) -> bool {
        self.reached.load(Ordering::SeqCst) > 0
    }

    #[expect(
        clippy::unused_async,
        reason = "a place where the deployer may be ended is one where it waits"
    )]
    pub(crate) async fn pass(&self, place: &'static str) -> Result<(), Error> {
        let Some(left) = &self.left else { return Ok(()) };
        let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| Some(left.saturating_sub(1)));
        if before.is_ok_and(|before| before <= 1) {
            tracing::debug!(place, "A test ends the deployer.");
            self.reached.store(1, Ordering::SeqCst);
            return Err(Error::Stopping);
        }
        Ok(())
    }
}
