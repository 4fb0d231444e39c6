//! Keeps deliveries from coming again while the planner works on them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidemill_bus::Delivery;
use tokio_util::sync::CancellationToken;

use crate::Error;

/// How long the planner's consumers wait for an acknowledgement.
pub(crate) const ACK_WAIT: Duration = Duration::from_secs(5);

/// How often a delivery under way is renewed; well below [`ACK_WAIT`].
const RENEW_EVERY: Duration = Duration::from_secs(2);

/// All deliveries under way. Their number is bounded by the consumers' `max_ack_pending`.
#[derive(Default)]
pub(crate) struct Keeper {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    next: u64,
    deliveries: HashMap<u64, (Arc<Delivery>, bool)>,
}

/// A delivery that is kept alive until it is acknowledged, sent back or dropped.
pub(crate) struct Kept {
    id: u64,
    keeper: Arc<Keeper>,
    delivery: Arc<Delivery>,
}

impl Keeper {
    /// Keeps `delivery` alive from now on.
    pub(crate) fn keep(self: &Arc<Self>, delivery: Delivery) -> Kept {
        let delivery = Arc::new(delivery);
        let mut held = self.lock();
        held.next += 1;
        let id = held.next;
        held.deliveries.insert(id, (delivery.clone(), false));
        Kept {
            id,
            keeper: self.clone(),
            delivery,
        }
    }

    /// Renews what is held, until the planner stops.
    pub(crate) async fn run(&self, stopping: &CancellationToken) -> Result<(), Error> {
        let mut ticks = tokio::time::interval(RENEW_EVERY);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return Err(Error::Stopping),
                _ = ticks.tick() => {}
            }
            for delivery in self.due() {
                delivery.in_progress().await;
            }
        }
    }

    /// What was held at the last tick already.
    fn due(&self) -> Vec<Arc<Delivery>> {
        let mut held = self.lock();
        let all = held.deliveries.values_mut();
        all.filter_map(|(delivery, seen)| std::mem::replace(seen, true).then(|| delivery.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing that holds the lock can panic half-way.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// The delivery.
    pub(crate) fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Acknowledges it.
    pub(crate) async fn ack(self) {
        self.delivery.ack().await;
    }

    /// Lets it come again after `delay`.
    pub(crate) async fn retry_after(self, delay: Duration) {
        self.delivery.retry_after(delay).await;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.keeper.lock().deliveries.remove(&self.id);
    }
}
