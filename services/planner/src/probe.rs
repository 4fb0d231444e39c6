//! Where a test stops a planner half-way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

/// Stops one planner of this process at the n-th pass of any fail point, as if it had been killed
/// there: nothing of it happens after that. [`tidemill_telemetry::fail_point`] does the same to a
/// whole process. The default stops nothing.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    armed: Option<Arc<Armed>>,
}

#[derive(Debug)]
struct Armed {
    left: AtomicU64,
    reached: tokio::sync::watch::Sender<Option<&'static str>>,
}

impl Probe {
    /// Stops at pass number `passes`, from 1.
    pub fn after(passes: u64) -> Self {
        Self {
            armed: Some(Arc::new(Armed {
                left: AtomicU64::new(passes),
                reached: tokio::sync::watch::Sender::new(None),
            })),
        }
    }

    /// Where it stopped the planner, if it did.
    pub fn reached(&self) -> Option<&'static str> {
        self.armed.as_ref().and_then(|armed| *armed.reached.borrow())
    }

    pub(crate) async fn pass(&self, name: &'static str, stopping: &CancellationToken) {
        let Some(armed) = &self.armed else { return };
        if armed.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            armed.reached.send_replace(Some(name));
            stopping.cancel();
        }
        if armed.reached.borrow().is_some() {
            futures::future::pending::<()>().await;
        }
    }
}
