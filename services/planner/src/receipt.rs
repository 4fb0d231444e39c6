//! Deliveries that are acknowledged when the last of several jobs has succeeded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::keeper::Kept;
use crate::planner::Planner;

/// The deliveries behind one decision; each job because of it holds one.
pub(crate) struct Receipt {
    /// `None` only after [`Receipt::done`].
    shared: Option<Arc<Shared>>,
}

struct Shared {
    kept: Vec<Kept>,
    failed: AtomicBool,
}

impl Receipt {
    pub(crate) fn new(kept: Vec<Kept>) -> Self {
        let failed = AtomicBool::new(false);
        Self {
            shared: Some(Arc::new(Shared { kept, failed })),
        }
    }

    /// One more job to wait for.
    pub(crate) fn share(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }

    /// This job succeeded; acknowledges when it was the last one and none failed. A receipt that is
    /// dropped instead lets its deliveries come again.
    pub(crate) async fn done(mut self, planner: &Planner) {
        let Some(shared) = self.shared.take().and_then(Arc::into_inner) else {
            return;
        };
        if shared.failed.into_inner() || shared.kept.is_empty() {
            return;
        }
        for kept in shared.kept {
            kept.ack().await;
        }
        planner.pass("planner.facts-acked").await;
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.failed.store(true, Ordering::Relaxed);
        }
    }
}
