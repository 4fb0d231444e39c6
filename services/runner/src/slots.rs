//! Slots: how many tasks run at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tidemill_telemetry::metrics::catalogue::{SLOTS, SLOTS_BUSY};
use tokio::sync::watch;

/// Ends under way at once, for each slot, while tasks begin: many, since what they wait for is done for several together.
/// Each holds its supervisor until it is stored and its sandbox removed: were there no limit, whatever holds that up would
/// have ever more of them made beside it.
const ENDINGS_PER_SLOT: usize = 8;

/// The slots of a runner; cheap to clone.
#[derive(Clone)]
pub(crate) struct Slots {
    total: usize,
    busy: Arc<watch::Sender<usize>>,
    endings: Arc<AtomicUsize>,
}

/// A task whose processes are gone, until its end is stored and its sandbox removed.
pub(crate) struct Ending(Arc<AtomicUsize>);

/// One task's slot, free again when dropped.
pub(crate) struct Slot(Arc<watch::Sender<usize>>);

impl Slots {
    pub(crate) fn new(total: usize) -> Self {
        SLOTS.plain().add(total as i64);
        Self {
            total,
            busy: Arc::new(watch::Sender::new(0)),
            endings: Arc::default(),
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

    /// One more task has come to its end.
    pub(crate) fn ending(&self) -> Ending {
        self.endings.fetch_add(1, Ordering::Relaxed);
        Ending(self.endings.clone())
    }

    /// So many ends are under way that no task should begin in place of another.
    pub(crate) fn has_many_endings(&self) -> bool {
        self.endings.load(Ordering::Relaxed) > self.total * ENDINGS_PER_SLOT
    }

    /// Changes whenever a slot is taken or freed.
    pub(crate) fn changes(&self) -> watch::Receiver<usize> {
        self.busy.subscribe()
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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

    #[test]
    fn there_are_many_endings_when_each_slot_has_its_share() {
        let slots = Slots::new(2);
        let mut endings: Vec<_> = (0..2 * ENDINGS_PER_SLOT).map(|_| slots.ending()).collect();
        assert!(!slots.has_many_endings());
        endings.push(slots.ending());
        assert!(slots.has_many_endings());
        endings.pop();
        assert!(!slots.has_many_endings());
    }
}
