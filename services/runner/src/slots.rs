//! Slots: how many tasks run at once.

use std::sync::Arc;

use tidemill_telemetry::metrics::catalogue::{SLOTS, SLOTS_BUSY};
use tokio::sync::watch;

/// The slots of a runner; cheap to clone.
#[derive(Clone)]
pub(crate) struct Slots {
    total: usize,
    busy: Arc<watch::Sender<usize>>,
}

/// One task's slot, free again when dropped.
pub(crate) struct Slot(Arc<watch::Sender<usize>>);

impl Slots {
    pub(crate) fn new(total: usize) -> Self {
        SLOTS.plain().add(total as i64);
        Self {
            total,
            busy: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Takes one, also when none is free: tasks that run already are adopted whatever it costs.
    pub(crate) fn take(&self) -> Slot {
        self.busy.send_modify(|busy| *busy += 1);
        SLOTS_BUSY.plain().increment();
        Slot(self.busy.clone())
    }

    pub(crate) fn total(&self) -> usize {
        self.total
    }

    pub(crate) fn busy(&self) -> usize {
        *self.busy.borrow()
    }

    pub(crate) fn free(&self) -> usize {
        self.total.saturating_sub(self.busy())
    }

    /// Waits until one is free, then takes it.
    pub(crate) async fn acquire(&self) -> Slot {
        let mut busy = self.busy.subscribe();
        loop {
            let taken = self.busy.send_if_modified(|busy| {
                let is_free = *busy < self.total;
                *busy += usize::from(is_free);
                is_free
            });
            // The sender lives as long as this handle, so waiting does not fail.
            if taken || busy.changed().await.is_err() {
                SLOTS_BUSY.plain().increment();
                return Slot(self.busy.clone());
            }
        }
    }

    /// Changes whenever a slot is taken or freed.
    pub(crate) fn changes(&self) -> watch::Receiver<usize> {
        self.busy.subscribe()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.send_modify(|busy| *busy = busy.saturating_sub(1));
        SLOTS_BUSY.plain().add(-1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_waiting_task_gets_the_slot_that_becomes_free() {
        let slots = Slots::new(1);
        let first = slots.acquire().await;
        let second = slots.acquire();
        tokio::pin!(second);
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        let second = second.await;
        assert_eq!((slots.busy(), slots.free()), (1, 0));
        let adopted = slots.take();
        assert_eq!((slots.busy(), slots.free()), (2, 0));
        drop((second, adopted));
        assert_eq!(slots.free(), 1);
    }
}
