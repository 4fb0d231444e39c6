//! The pull side of a durable consumer in memory, and its acknowledgements.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::durable::Verdict;
use super::source::Changes;
use super::{Connection, Shared};
use crate::transport::{Acknowledger, PullSource};
use crate::{Delivery, Error, Stored};

/// The pull side of a durable consumer.
pub(super) struct MemoryPull {
    changes: Changes,
    connection: Connection,
    stream: String,
    name: String,
    client: u64,
}

impl MemoryPull {
    pub(super) fn new(connection: Connection, stream: String, name: String) -> Self {
        let client = connection.shared.lock().next_id();
        Self {
            changes: Changes::new(connection.shared.clone()),
            connection,
            stream,
            name,
            client,
        }
    }

    async fn pull(&mut self, limit: usize) -> Result<Vec<Delivery>, Error> {
        let resting = Resting {
            shared: self.connection.shared.clone(),
            stream: self.stream.clone(),
            name: self.name.clone(),
            client: self.client,
        };
        loop {
            self.changes.mark();
            let mut again_at = None;
            if !self.connection.up()? {
                resting.rest();
            } else {
                match self.take(limit.max(1))? {
                    Ok(batch) => return Ok(batch),
                    Err(at) => again_at = at,
                }
            }
            self.changes.wait(again_at).await;
        }
    }

    /// What is there, or when to look again.
    fn take(&self, limit: usize) -> Result<Result<Vec<Delivery>, Option<Instant>>, Error> {
        let now = Instant::now();
        let mut world = self.connection.shared.lock();
        let taken = world.with_durable(&self.stream, &self.name, |durable, store, dice| {
            durable.claim_pin(self.client, now)?;
            let batch = durable.take(store, limit, now, dice);
            if batch.is_empty() {
                Err(durable.next_due())
            } else {
                Ok(batch)
            }
        })?;
        Ok(taken.map(|batch| {
            batch
                .into_iter()
                .map(|(message, delivered)| self.delivery(message, delivered))
                .collect()
        }))
    }

    fn delivery(&self, message: Stored, delivered: u64) -> Delivery {
        let acknowledger = Arc::new(MemoryAck {
            connection: self.connection.clone(),
            stream: self.stream.clone(),
            name: self.name.clone(),
            sequence: message.sequence,
        });
        Delivery {
            message,
            delivered,
            acknowledger,
        }
    }
}

impl PullSource for MemoryPull {
    fn next_batch(&mut self, limit: usize) -> BoxFuture<'_, Result<Vec<Delivery>, Error>> {
        self.pull(limit).boxed()
    }
}

impl Drop for MemoryPull {
    fn drop(&mut self) {
        let act = |durable: &mut super::durable::Durable| durable.unpin(self.client);
        let mut world = self.connection.shared.lock();
        // A consumer that is gone needs no unpinning.
        drop(world.with_durable(&self.stream, &self.name, |durable, _, _| act(durable)));
        drop(world);
        self.connection.shared.touch();
    }
}

/// Tells the consumer, also when the pull is cancelled, that its client waits no longer.
struct Resting {
    shared: Arc<Shared>,
    stream: String,
    name: String,
    client: u64,
}

impl Resting {
    fn rest(&self) {
        let now = Instant::now();
        let mut world = self.shared.lock();
        let rested = world.with_durable(&self.stream, &self.name, |durable, _, _| durable.rest(self.client, now));
        drop(world);
        // A consumer that is gone has no pin.
        if rested.unwrap_or(false) {
            self.shared.touch();
        }
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        self.rest();
    }
}

struct MemoryAck {
    connection: Connection,
    stream: String,
    name: String,
    sequence: u64,
}

impl MemoryAck {
    fn settle(&self, verdict: Verdict) -> BoxFuture<'_, ()> {
        let mut world = self.connection.shared.lock();
        let lost = !self.connection.up().unwrap_or(false) || world.dice.strikes(|faults| faults.acks_lost);
        if !lost {
            let now = Instant::now();
            // Acknowledging to a consumer that is gone does nothing, as on the server.
            drop(world.with_durable(&self.stream, &self.name, |durable, _, _| {
                durable.settle(self.sequence, verdict, now);
            }));
        }
        drop(world);
        self.connection.shared.touch();
        futures::future::ready(()).boxed()
    }
}

impl Acknowledger for MemoryAck {
    fn ack(&self) -> BoxFuture<'_, ()> {
        self.settle(Verdict::Done)
    }

    fn retry_after(&self, delay: Duration) -> BoxFuture<'_, ()> {
        self.settle(Verdict::Again(delay))
    }

    fn in_progress(&self) -> BoxFuture<'_, ()> {
        self.settle(Verdict::InProgress)
    }

    fn terminate(&self) -> BoxFuture<'_, ()> {
        self.settle(Verdict::Never)
    }
}
