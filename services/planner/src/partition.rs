//! Pulling facts and timers, and handing them to their runs.

use std::sync::Arc;
use std::time::Duration;

use tidemill_bus::{Consumer, ConsumerSpec, Delivery};
use tidemill_messages::stream::{FACTS, TIMERS};
use tidemill_messages::{Partition, subject};
use tidemill_telemetry::metrics::catalogue::REDELIVERIES;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::actor::Input;
use crate::keeper::{ACK_WAIT, Kept};
use crate::planner::Planner;
use crate::retry::until_done;

/// A partition whose planner has not pulled for so long goes to another one.
const PIN_TIMEOUT: Duration = Duration::from_secs(3);

/// When a message comes again that its run had no room for.
const CROWDED_PAUSE: Duration = Duration::from_secs(1);

/// Works on the facts of one partition until `shutdown`.
pub(crate) async fn facts(
    planner: Arc<Planner>,
    partition: Partition,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let spec = ConsumerSpec {
        stream: FACTS.to_owned(),
        name: format!("planner-{partition}"),
        filters: vec![subject::facts_of_partition(partition)],
        ack_wait: ACK_WAIT,
        max_ack_pending: planner.settings.pending_facts,
        pinned: Some(PIN_TIMEOUT),
        from_start: true,
    };
    pull(planner, spec, shutdown, Input::Fact).await
}

/// Works on the timers that fired until `shutdown`.
pub(crate) async fn timers(planner: Arc<Planner>, shutdown: CancellationToken) -> Result<(), Error> {
    let spec = ConsumerSpec {
        stream: TIMERS.to_owned(),
        name: "planner-due".to_owned(),
        filters: vec![subject::ALL_DUE.to_owned()],
        ack_wait: ACK_WAIT,
        max_ack_pending: planner.settings.pending_facts,
        pinned: None,
        from_start: true,
    };
    pull(planner, spec, shutdown, Input::Due).await
}

async fn pull(
    planner: Arc<Planner>,
    spec: ConsumerSpec,
    shutdown: CancellationToken,
    input: fn(Kept) -> Input,
) -> Result<(), Error> {
    let mut consumer = until_done(&shutdown, || join(&planner, &spec)).await?;
    loop {
        let batch = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            batch = consumer.next_batch(planner.settings.batch_facts) => batch?,
        };
        for delivery in batch {
            route(&planner, delivery, input).await;
        }
    }
}

/// Creates or joins the consumer. What a planner before us had taken and not acknowledged comes at
/// once, instead of after [`ACK_WAIT`].
async fn join(planner: &Planner, spec: &ConsumerSpec) -> Result<Consumer, Error> {
    let consumer = planner.bus.consumer(spec).await?;
    planner.bus.reset_consumer(&spec.stream, &spec.name).await?;
    Ok(consumer)
}

async fn route(planner: &Arc<Planner>, delivery: Delivery, input: fn(Kept) -> Input) {
    if delivery.delivered > 1 {
        REDELIVERIES.of(&["facts"]).increment();
    }
    let Some(run_uid) = subject::run_uid_of(&delivery.message.subject) else {
        tracing::error!(
            subject = delivery.message.subject,
            "A message names no run; it is dropped."
        );
        delivery.terminate().await;
        return;
    };
    let refused = planner
        .runs
        .send(planner, &run_uid, input(planner.keeper.keep(delivery)));
    if let Err(Input::Fact(kept) | Input::Due(kept)) = refused {
        kept.retry_after(CROWDED_PAUSE).await;
    }
}
