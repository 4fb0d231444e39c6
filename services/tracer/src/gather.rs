//! Records that are told of together.
//!
//! To tell of each at once would take its time from the hop that follows it, and be a request each.

use std::time::Duration;

use futures::FutureExt as _;
use tidemill_bus::{Consumer, Delivery, Error};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Records told of at once.
pub(crate) const BATCH_MAX: usize = 1024;
/// How long the first of them waits for others.
const MOMENT: Duration = Duration::from_millis(250);
/// Records that do not come within this after a shutdown are told of by the next tracer.
const LAST_MOMENT: Duration = Duration::from_millis(100);

/// The next record, and those that come in the moment after it; `None` once `shutdown` and nothing is left.
pub(crate) async fn gather(
    consumer: &mut Consumer,
    shutdown: &CancellationToken,
) -> Result<Option<Vec<Delivery>>, Error> {
    let Some(mut batch) = next(consumer, shutdown).await? else {
        return Ok(None);
    };
    if batch.len() < BATCH_MAX {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = sleep(MOMENT) => {}
        }
    }
    while batch.len() < BATCH_MAX
        && let Some(more) = consumer.next_batch(BATCH_MAX - batch.len()).now_or_never()
    {
        batch.extend(more?);
    }
    Ok(Some(batch))
}

async fn next(consumer: &mut Consumer, shutdown: &CancellationToken) -> Result<Option<Vec<Delivery>>, Error> {
    tokio::select! {
        biased;
        batch = consumer.next_batch(BATCH_MAX) => return batch.map(Some),
        () = shutdown.cancelled() => {}
    }
    match timeout(LAST_MOMENT, consumer.next_batch(BATCH_MAX)).await {
        Ok(batch) => batch.map(Some),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use tidemill_bus::layout::{self, Limits};
    use tidemill_bus::{Bus, ConsumerSpec, Memory, Message};
    use tidemill_messages::stream::RELEASES;
    use tokio::time::Instant;

    use super::*;

    async fn world() -> (Bus, Consumer) {
        let bus = Memory::default().connect();
        layout::ensure(&bus, &Limits::default()).await.unwrap();
        let spec = ConsumerSpec {
            stream: RELEASES.to_owned(),
            name: "tracer".to_owned(),
            filters: Vec::new(),
            ack_wait: Duration::from_secs(30),
            max_ack_pending: BATCH_MAX as u64,
            pinned: None,
            from_start: true,
        };
        let consumer = bus.consumer(&spec).await.unwrap();
        (bus, consumer)
    }

    async fn store(bus: &Bus, from: usize, count: usize) {
        for number in from..from + count {
            let message = Message::new(format!("release.ops.demo-{number}.1"), "{}");
            bus.publish(message).await.unwrap();
        }
    }

    async fn gathered(consumer: &mut Consumer, shutdown: &CancellationToken) -> Option<usize> {
        let batch = gather(consumer, shutdown).await.unwrap();
        Some(batch?.len())
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_a_moment_is_told_of_together() {
        let ((bus, mut consumer), shutdown) = (world().await, CancellationToken::new());
        store(&bus, 0, 2).await;
        let begin = Instant::now();
        let later = async {
            sleep(MOMENT / 2).await;
            store(&bus, 2, 3).await;
        };
        let (count, ()) = tokio::join!(gathered(&mut consumer, &shutdown), later);
        assert_eq!(count, Some(5));
        assert!(begin.elapsed() >= MOMENT && begin.elapsed() < 2 * MOMENT);
    }

    #[tokio::test(start_paused = true)]
    async fn many_do_not_wait() {
        let ((bus, mut consumer), shutdown) = (world().await, CancellationToken::new());
        store(&bus, 0, BATCH_MAX + 1).await;
        let begin = Instant::now();
        let first = gather(&mut consumer, &shutdown).await.unwrap().unwrap();
        assert_eq!((first.len(), begin.elapsed() < MOMENT), (BATCH_MAX, true));
        for delivery in first {
            delivery.ack().await;
        }
        assert_eq!(gathered(&mut consumer, &shutdown).await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_there_at_the_end_is_told_of() {
        let ((bus, mut consumer), shutdown) = (world().await, CancellationToken::new());
        store(&bus, 0, 2).await;
        shutdown.cancel();
        let begin = Instant::now();
        assert_eq!(gathered(&mut consumer, &shutdown).await, Some(2));
        assert_eq!(gathered(&mut consumer, &shutdown).await, None);
        assert!(begin.elapsed() < MOMENT);
    }
}
