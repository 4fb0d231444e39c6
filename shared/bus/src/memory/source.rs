//! Readers and subscriptions of the in-memory bus.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{Connection, Shared};
use crate::transport::OrderedSource;
use crate::{Error, Stored};

/// Waits for a change of the world, the next schedule or `deadline`.
pub(super) struct Changes {
    shared: Arc<Shared>,
    seen: watch::Receiver<u64>,
}

impl Changes {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let seen = shared.changed.subscribe();
        Self { shared, seen }
    }

    /// Call before looking; what changes afterwards ends the next wait.
    pub(super) fn mark(&mut self) {
        self.seen.mark_unchanged();
    }

    pub(super) async fn wait(&mut self, deadline: Option<Instant>) {
        let scheduled = self.shared.lock().next_schedule();
        let Some(until) = [deadline, scheduled].into_iter().flatten().min() else {
            // The sender lives in `shared`, so this cannot fail.
            drop(self.seen.changed().await);
            return;
        };
        tokio::select! {
            _ = self.seen.changed() => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }
}

/// An ordered reader.
pub(super) struct MemoryReader {
    changes: Changes,
    connection: Connection,
    stream: String,
    filter: [String; 1],
    next: u64,
    headers_only: bool,
}

impl MemoryReader {
    pub(super) fn new(connection: Connection, stream: String, filter: String, from: u64, headers_only: bool) -> Self {
        Self {
            changes: Changes::new(connection.shared.clone()),
            connection,
            stream,
            filter: [filter],
            next: from,
            headers_only,
        }
    }

    async fn read(&mut self) -> Result<Stored, Error> {
        loop {
            self.changes.mark();
            if self.connection.up()? {
                let mut world = self.connection.shared.lock();
                let store = world.store(&self.stream)?;
                let found = store.first_from(self.next, &self.filter).cloned();
                self.next = found
                    .as_ref()
                    .map_or(self.next.max(store.last_sequence + 1), |stored| stored.sequence + 1);
                if let Some(mut stored) = found {
                    if self.headers_only {
                        stored.payload.clear();
                    }
                    return Ok(stored);
                }
            }
            self.changes.wait(None).await;
        }
    }
}

impl OrderedSource for MemoryReader {
    fn next(&mut self) -> BoxFuture<'_, Result<Stored, Error>> {
        self.read().boxed()
    }
}

/// A core subscription.
pub(super) struct MemorySubscription {
    pub(super) connection: Connection,
    pub(super) receiver: mpsc::Receiver<Stored>,
}

impl OrderedSource for MemorySubscription {
    fn next(&mut self) -> BoxFuture<'_, Result<Stored, Error>> {
        async {
            let mut closed = self.connection.link.closed.subscribe();
            loop {
                self.connection.up()?;
                tokio::select! {
                    biased;
                    Some(hint) = self.receiver.recv() => return Ok(hint),
                    _ = closed.changed() => {}
                }
            }
        }
        .boxed()
    }
}
