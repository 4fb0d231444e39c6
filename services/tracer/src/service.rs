//! Following the streams.

use std::sync::Arc;
use std::time::Duration;

use tidemill_bus::{Bus, ConsumerSpec, Delivery};
use tidemill_messages::stream::{EVENTS, RELEASES, RUNS};
use tidemill_telemetry::Chain;
use tidemill_telemetry::export::Exporter;
use tidemill_telemetry::request::too_late;
use tidemill_telemetry::span::Span;
use tokio_util::sync::CancellationToken;

use crate::decisions::Decisions;
use crate::gather::{BATCH_MAX, gather};
use crate::sender::Sender;
use crate::{Error, events, releases};

/// Records on which nobody has worked for so long come again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// How long a tracer may be silent before another takes over.
const PIN: Duration = Duration::from_secs(10);
/// Records taken and not acknowledged.
const PENDING_MAX: u64 = BATCH_MAX as u64;
/// When a record comes again that could not be read for now.
const FAULT_PAUSE: Duration = Duration::from_secs(2);
/// How long a stream is left alone that cannot be followed.
const REJOIN_PAUSE: Duration = Duration::from_secs(1);
/// How often a record comes that could not be read; then it is dropped.
const DELIVERIES_MAX: u64 = 10;

/// A stream, and how spans are made of it.
#[derive(Clone, Copy)]
enum Source {
    Runs,
    Events,
    Releases,
}

impl Source {
    fn spec(self) -> ConsumerSpec {
        let (stream, name, filter) = match self {
            Self::Runs => (RUNS, "tracer-runs", "run.*.*.decision"),
            Self::Events => (EVENTS, "tracer-events", "outcome.>"),
            Self::Releases => (RELEASES, "tracer-releases", "release.>"),
        };
        ConsumerSpec {
            stream: stream.to_owned(),
            name: name.to_owned(),
            filters: vec![filter.to_owned()],
            ack_wait: ACK_WAIT,
            max_ack_pending: PENDING_MAX,
            pinned: Some(PIN),
            // What happened before anybody wanted to hear of it is not told.
            from_start: false,
        }
    }
}

/// Tells of everything that happens from now on, and of what happened while no tracer ran, until
/// `shutdown`, and then of what is left, for a second at most. Several may run: one at a time follows a stream.
///
/// # Errors
/// None that passes: what does not work is tried again.
pub async fn run(
    bus: Bus,
    exporter: Arc<Exporter>,
    patience: Duration,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let follow = |source| {
        let sender = Sender::new(exporter.clone(), patience);
        follow(bus.clone(), source, sender, shutdown.clone())
    };
    tokio::join!(follow(Source::Runs), follow(Source::Events), follow(Source::Releases));
    Ok(())
}

async fn follow(bus: Bus, source: Source, mut sender: Sender, shutdown: CancellationToken) {
    loop {
        // What is not acknowledged comes again to the next tracer.
        let followed = tokio::select! {
            () = too_late(&shutdown) => return,
            followed = take(&bus, source, &mut sender, &shutdown) => followed,
        };
        match followed {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(stream = source.spec().stream, error = %Chain(&error), "A stream is followed anew for its spans.")
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(REJOIN_PAUSE) => {}
        }
    }
}

/// Follows a stream until `shutdown`.
async fn take(bus: &Bus, source: Source, sender: &mut Sender, shutdown: &CancellationToken) -> Result<(), Error> {
    let spec = source.spec();
    let mut consumer = bus.consumer(&spec).await?;
    bus.reset_consumer(&spec.stream, &spec.name).await?;
    let mut decisions = Decisions::new(bus.clone());
    while let Some(batch) = gather(&mut consumer, shutdown).await? {
        let mut told = Vec::with_capacity(batch.len());
        let mut spans = Vec::new();
        for delivery in batch {
            let read = match source {
                Source::Runs => decisions.spans(&delivery.message).await,
                Source::Events => events::spans(bus, &delivery.message).await,
                Source::Releases => releases::spans(bus, &delivery.message).await,
            };
            match read {
                Ok(made) => {
                    spans.extend(made.into_iter().filter(|span: &Span| span.context.is_sampled()));
                    told.push(delivery);
                }
                Err(error) => unreadable(&delivery, &error).await,
            }
        }
        sender.send(spans, &told).await;
        for delivery in told {
            delivery.ack().await;
        }
    }
    Ok(())
}

async fn unreadable(delivery: &Delivery, error: &Error) {
    let subject = &delivery.message.subject;
    if error.is_transient() && delivery.delivered < DELIVERIES_MAX {
        tracing::debug!(subject, error = %Chain(error), "A record is read again for its spans.");
        return delivery.retry_after(FAULT_PAUSE).await;
    }
    tracing::warn!(subject, error = %Chain(error), "A record cannot be read; nothing is told of it.");
    delivery.ack().await;
}
