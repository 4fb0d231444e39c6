//! The message an attempt came with, until it may be acknowledged.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tidemill_bus::Delivery;

/// Where the core leaves the task's message for the attempt. It may come after the attempt has begun,
/// and even after its end.
#[derive(Default)]
pub(crate) struct Post(Mutex<Held>);

#[derive(Default)]
struct Held {
    /// The attempt runs or is over: its message may be acknowledged. Not before, since a task without
    /// sandbox is known by its message alone.
    is_settled: bool,
    has_come: bool,
    delivery: Option<Delivery>,
}

impl Post {
    /// Leaves a message; gives it back if it is to be acknowledged. Of several the first is kept.
    pub(crate) fn put(&self, delivery: Delivery) -> Option<Delivery> {
        let mut held = self.lock();
        held.has_come = true;
        if held.is_settled {
            return Some(delivery);
        }
        held.delivery.get_or_insert(delivery);
        None
    }

    /// From now on messages may be acknowledged, the one that came first of all.
    pub(super) fn settle(&self) -> Option<Delivery> {
        let mut held = self.lock();
        held.is_settled = true;
        held.delivery.take()
    }

    /// The message that came.
    pub(super) fn take(&self) -> Option<Delivery> {
        self.lock().delivery.take()
    }

    /// The attempt ran or is over, and its message is still to come.
    pub(crate) fn is_awaited(&self) -> bool {
        let held = self.lock();
        held.is_settled && !held.has_come
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing that holds the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
