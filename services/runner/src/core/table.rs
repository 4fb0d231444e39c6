//! The attempts in the runner's hands.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidemill_messages::{AttemptKey, CancelReason};
use tokio::sync::watch;

use crate::attempt::{Attempt, Context, Orders};

/// By key; one entry for each attempt's task.
#[derive(Default)]
pub(super) struct Table(HashMap<AttemptKey, Entry>);

struct Entry {
    orders: watch::Sender<Orders>,
    settled: Arc<AtomicBool>,
    class: String,
}

impl Table {
    /// A new entry, and the attempt that goes with it.
    pub(super) fn open(&mut self, context: Arc<Context>, key: AttemptKey) -> Attempt {
        let (orders, receiver) = watch::channel(Orders::default());
        let settled = Arc::new(AtomicBool::new(false));
        let entry = Entry {
            orders,
            settled: settled.clone(),
            class: context.backend.class().to_owned(),
        };
        self.0.insert(key.clone(), entry);
        Attempt::new(context, key, receiver, settled)
    }

    /// Closes an entry; gives its class.
    pub(super) fn close(&mut self, key: &AttemptKey) -> Option<String> {
        self.0.remove(key).map(|entry| entry.class)
    }

    /// Closes the entries of attempts whose task is gone.
    pub(super) fn close_broken(&mut self) {
        self.0.retain(|_, entry| !entry.orders.is_closed());
    }

    /// Whether a copy of the task may be acknowledged; `None` if the attempt is not here.
    pub(super) fn is_settled(&self, key: &AttemptKey) -> Option<bool> {
        self.0.get(key).map(|entry| entry.settled.load(Ordering::Relaxed))
    }

    pub(super) fn contains(&self, key: &AttemptKey) -> bool {
        self.0.contains_key(key)
    }

    pub(super) fn keys(&self) -> HashSet<AttemptKey> {
        self.0.keys().cloned().collect()
    }

    pub(super) fn cancel(&self, key: &AttemptKey, reason: CancelReason) {
        if let Some(entry) = self.0.get(key) {
            entry.orders.send_modify(|orders| {
                orders.cancel.get_or_insert(reason);
            });
        }
    }

    /// Cancel commands may have been missed.
    pub(super) fn reconnected(&self) {
        self.each(|orders| orders.connections += 1);
    }

    pub(super) fn let_go(&self) {
        self.each(|orders| orders.let_go = true);
    }

    fn each(&self, change: impl Fn(&mut Orders)) {
        for entry in self.0.values() {
            entry.orders.send_modify(&change);
        }
    }
}
