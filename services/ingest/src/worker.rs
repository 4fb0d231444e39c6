//! Taking events from the stream and bringing each to its end.

use std::sync::Arc;
use std::time::Duration;

use tidemill_bus::{Consumer, ConsumerSpec, Delivery};
use tidemill_messages::stream::EVENTS;
use tidemill_messages::subject;
use tidemill_telemetry::Chain;
use tidemill_telemetry::metrics::catalogue::REDELIVERIES;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::Error;
use crate::again::again;
use crate::app::App;
use crate::calls::WAITING_MAX;
use crate::judge::judge;
use crate::requests::Manners;
use crate::retry::until_done;

/// Name of the durable consumer.
const CONSUMER: &str = "ingest";
/// An event that nobody works on for so long comes again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Events that are asked for at once.
const BATCH_MAX: usize = 32;
/// Events that are handed out and not at their end: evaluated, or put off because of a slow
/// interceptor. Beyond it that interceptor holds up all others.
const PENDING_MAX: u64 = 10_000;
/// How often work on an event is made known.
const BEAT: Duration = Duration::from_secs(10);
/// When an event comes again whose evaluation ended by a fault of its own.
const FAULT_PAUSE: Duration = Duration::from_secs(1);

/// Evaluates events until ingest stops, then finishes those under way.
pub(crate) async fn run(app: Arc<App>) -> Result<(), Error> {
    let slots = Arc::new(Semaphore::new(app.settings.evaluations + WAITING_MAX));
    let tasks = TaskTracker::new();
    let outcome = take(&app, &slots, &tasks).await;
    tasks.close();
    tasks.wait().await;
    match outcome {
        Err(Error::Stopping) => Ok(()),
        outcome => outcome,
    }
}

async fn take(app: &Arc<App>, slots: &Arc<Semaphore>, tasks: &TaskTracker) -> Result<(), Error> {
    let mut consumer = until_done(&app.stopping, || join(app)).await?;
    let mut manners = Manners::default();
    loop {
        // The semaphore is never closed.
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return Ok(());
        };
        let mut free = vec![slot];
        while free.len() < BATCH_MAX
            && let Ok(slot) = slots.clone().try_acquire_owned()
        {
            free.push(slot);
        }
        let batch = tokio::select! {
            () = app.stopping.cancelled() => return Ok(()),
            batch = next(&mut consumer, free.len(), &mut manners, app) => batch?,
        };
        for delivery in batch {
            let (app, slot) = (app.clone(), free.pop());
            tasks.spawn(async move {
                work(&app, &delivery).await;
                drop(slot);
            });
        }
    }
}

/// The next events, once requests are not held up by their evaluation.
async fn next(
    consumer: &mut Consumer,
    count: usize,
    manners: &mut Manners,
    app: &App,
) -> Result<Vec<Delivery>, tidemill_bus::Error> {
    manners.give_way(&app.requests).await;
    consumer.next_batch(count).await
}

/// Creates or joins the consumer. What ingest had taken before and not acknowledged comes at once.
async fn join(app: &App) -> Result<Consumer, Error> {
    let spec = ConsumerSpec {
        stream: EVENTS.to_owned(),
        name: CONSUMER.to_owned(),
        filters: vec![subject::ALL_EVENTS.to_owned(), subject::ALL_RETRIES.to_owned()],
        ack_wait: ACK_WAIT,
        max_ack_pending: PENDING_MAX,
        pinned: None,
        from_start: true,
    };
    let consumer = app.bus.consumer(&spec).await?;
    app.bus.reset_consumer(EVENTS, CONSUMER).await?;
    Ok(consumer)
}

async fn work(app: &App, delivery: &Delivery) {
    let beat = async {
        loop {
            tokio::time::sleep(BEAT).await;
            delivery.in_progress().await;
        }
    };
    let ended = tokio::select! {
        ended = settle(app, delivery) => ended,
        never = beat => never,
    };
    match ended {
        Ok(()) => delivery.ack().await,
        // Whoever comes next begins with it.
        Err(Error::Stopping) => {}
        Err(Error::Busy { .. }) => {
            let pause = app.calls.put_off(delivery.message.sequence);
            delivery.retry_after(pause).await;
        }
        Err(error) => {
            tracing::error!(error = %Chain(&error), subject = delivery.message.subject, "An event comes again.");
            delivery.retry_after(FAULT_PAUSE).await;
        }
    }
}

/// What was delivered before may be what ended the process, unless it was put off by this one.
async fn settle(app: &App, delivery: &Delivery) -> Result<(), Error> {
    if delivery.delivered > 1 {
        REDELIVERIES.of(&["events"]).increment();
    }
    let was_put_off = app.calls.was_put_off(delivery.message.sequence);
    let is_suspect = delivery.delivered > 1 && !was_put_off;
    let message = &delivery.message;
    if subject::event_of_retry(&message.subject).is_some() {
        return until_done(&app.stopping, || again(app, message, is_suspect)).await;
    }
    until_done(&app.stopping, || judge(app, message, is_suspect)).await
}
