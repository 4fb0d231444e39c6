//! The attempts in the runner's hands.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tidemill_messages::{AttemptKey, CancelReason};
use tokio::sync::watch;

use crate::attempt::{Attempt, Context, Orders, Post};

/// By key; one entry for each attempt's task.
#[derive(Default)]
pub(super) struct Table(HashMap<AttemptKey, Entry>);

struct Entry {
    orders: watch::Sender<Orders>,
    post: Arc<Post>,
    class: String,
}

impl Table {
    /// A new entry, and the attempt that goes with it.
    pub(super) fn open(&mut self, context: Arc<Context>, key: AttemptKey) -> Attempt {
        let (orders, receiver) = watch::channel(Orders::default());
        let post = Arc::new(Post::default());
        let entry = Entry {
            orders,
            post: post.clone(),
            class: context.backend.class().to_owned(),
        };
        self.0.insert(key.clone(), entry);
        Attempt::new(context, key, receiver, post)
    }

    /// Closes an entry; gives its class, and whether its task's message is still to come and may be
    /// acknowledged then.
    pub(super) fn close(&mut self, key: &AttemptKey) -> Option<(String, bool)> {
        let entry = self.0.remove(key)?;
        Some((entry.class, entry.post.is_awaited()))
    }

    /// Closes the entries of attempts whose task is gone.
    pub(super) fn close_broken(&mut self) {
        self.0.retain(|_, entry| !entry.orders.is_closed());
    }

    /// Where messages for the attempt are left; `None` if it is not here.
    pub(super) fn post(&self, key: &AttemptKey) -> Option<&Post> {
        self.0.get(key).map(|entry| &*entry.post)
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
