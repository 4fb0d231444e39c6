//! Telling what happens to runs, as their objects show it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tidemill_bus::{Consumer, ConsumerSpec, Delivery, Stored, blob};
use tidemill_messages::envelope::TRACEPARENT;
use tidemill_messages::stream::OBJECTS;
use tidemill_messages::subject;
use tidemill_resources::Object;
use tidemill_telemetry::Chain;

use super::{publish, states};
use crate::Error;
use crate::app::App;
use crate::retry::until_done;

/// Name of the durable consumer.
const CONSUMER: &str = "cloudevents";
/// Resources of `tekton.dev` whose events are told.
const RESOURCES: [&str; 3] = ["pipelineruns", "taskruns", "customruns"];
/// A change that nobody works on for so long comes again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Changes that are asked for at once.
const BATCH_MAX: usize = 32;
/// States that are remembered as told, so that they are not offered again with every change.
const TOLD_MAX: usize = 20_000;

/// Tells while somebody wants to be told, until ingest stops. What happens while nobody does is not
/// told later.
pub(crate) async fn run(app: Arc<App>) -> Result<(), Error> {
    let mut wanted = app.run_events.subscribe();
    loop {
        // `None`: the listeners are not known yet.
        let is_wanted = *wanted.borrow_and_update();
        match is_wanted {
            Some(true) => match until_done(&app.stopping, || join(&app)).await {
                Ok(consumer) => {
                    tokio::select! {
                        () = app.stopping.cancelled() => return Ok(()),
                        ended = tell(&app, consumer) => ended?,
                        _ = wanted.wait_for(|wanted| *wanted == Some(false)) => {}
                    }
                    continue;
                }
                Err(Error::Stopping) => return Ok(()),
                Err(error) => return Err(error),
            },
            Some(false) => {
                let deleted = until_done(&app.stopping, || async {
                    Ok(app.bus.delete_consumer(OBJECTS, CONSUMER).await?)
                });
                match deleted.await {
                    Ok(()) => {}
                    Err(Error::Stopping) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            None => {}
        }
        tokio::select! {
            () = app.stopping.cancelled() => return Ok(()),
            changed = wanted.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}

async fn join(app: &App) -> Result<Consumer, Error> {
    let spec = ConsumerSpec {
        stream: OBJECTS.to_owned(),
        name: CONSUMER.to_owned(),
        filters: RESOURCES
            .iter()
            .map(|resource| subject::objects_of("tekton.dev", resource))
            .collect(),
        ack_wait: ACK_WAIT,
        max_ack_pending: 2 * BATCH_MAX as u64,
        pinned: None,
        from_start: false,
    };
    let consumer = app.bus.consumer(&spec).await?;
    app.bus.reset_consumer(OBJECTS, CONSUMER).await?;
    Ok(consumer)
}

async fn tell(app: &App, mut consumer: Consumer) -> Result<(), Error> {
    let mut told = HashSet::new();
    loop {
        for delivery in consumer.next_batch(BATCH_MAX).await? {
            if told.len() > TOLD_MAX {
                told.clear();
            }
            match until_done(&app.stopping, || tell_one(app, &delivery.message, &told)).await {
                Ok(subjects) => {
                    told.extend(subjects);
                    delivery.ack().await;
                }
                Err(Error::Stopping) => return Ok(()),
                Err(error) => give_up(&delivery, &error).await,
            }
        }
    }
}

async fn give_up(delivery: &Delivery, error: &Error) {
    let subject = &delivery.message.subject;
    tracing::error!(error = %Chain(error), subject, "A run's events cannot be told.");
    delivery.terminate().await;
}

/// Tells the states a run has come through, but for those that were told; gives their subjects.
async fn tell_one(app: &App, stored: &Stored, told: &HashSet<String>) -> Result<Vec<String>, Error> {
    let payload = match blob::payload(&app.bus, stored).await {
        Ok(payload) => payload,
        // Overwritten since: the newer object comes, too.
        Err(blob::Error::Missing { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let object: Object = serde_json::from_slice(&payload).map_err(|error| Error::Poison {
        reason: format!("{} is no object: {error}", stored.subject),
    })?;
    let Some((kind, _)) = states::kind(&object) else {
        return Ok(Vec::new());
    };
    let context = object.rest.get("status");
    let context = context.and_then(|status| status["spanContext"][TRACEPARENT].as_str());
    let uid = object.metadata.uid.clone().unwrap_or_default();
    let mut subjects = Vec::new();
    for state in states::states(&object) {
        let subject = subject::cloud_event(object.namespace(), kind, &uid, &state.token);
        if !told.contains(&subject) {
            publish(app, subject.clone(), &state.event, context).await?;
            subjects.push(subject);
        }
    }
    Ok(subjects)
}
