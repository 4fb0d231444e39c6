//! Listeners that fire by themselves, at the times of their annotation.
//!
//! What is fired for is decided here, from the last time that was fired for and the clock; a schedule
//! of the bus only says when to look. Looking twice, or late, or after a crash in the middle, fires
//! once for each time: the time is the delivery id of the event.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use tidemill_bus::{ConsumerSpec, Message};
use tidemill_messages::schedule::Fired;
use tidemill_messages::stream::SCHEDULES;
use tidemill_messages::{decode, encode, envelope, subject};
use tidemill_objects::Key;
use tidemill_resources::Kind;
use tidemill_triggers::{Listener, Schedule, names};

use crate::Error;
use crate::address::Address;
use crate::app::App;
use crate::retry::until_done;
use crate::store;

/// Name of the durable consumer of the times that arrived.
const CONSUMER: &str = "ingest-ticks";
/// A time that nobody works on for so long arrives again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Times that are worked on at once.
const AT_ONCE: usize = 8;
/// Writes to one listener's state in one go; more means that others write it too.
const ROUNDS_MAX: u32 = 16;

/// Fires for the times that arrive, until ingest stops.
pub(crate) async fn run(app: Arc<App>) -> Result<(), Error> {
    let spec = ConsumerSpec {
        stream: SCHEDULES.to_owned(),
        name: CONSUMER.to_owned(),
        filters: vec![subject::ALL_TICKS.to_owned()],
        ack_wait: ACK_WAIT,
        max_ack_pending: AT_ONCE as u64 * 2,
        pinned: None,
        from_start: true,
    };
    let joined = until_done(&app.stopping, || async {
        let consumer = app.bus.consumer(&spec).await?;
        app.bus.reset_consumer(SCHEDULES, CONSUMER).await?;
        Ok(consumer)
    });
    let mut consumer = match joined.await {
        Err(Error::Stopping) => return Ok(()),
        joined => joined?,
    };
    loop {
        let batch = tokio::select! {
            () = app.stopping.cancelled() => return Ok(()),
            batch = consumer.next_batch(AT_ONCE) => batch?,
        };
        let each = futures::stream::iter(batch).for_each_concurrent(AT_ONCE, |delivery| {
            let app = &app;
            async move {
                let Some((namespace, listener)) = subject::listener_of_schedule(&delivery.message.subject) else {
                    return delivery.terminate().await;
                };
                match attend(app, &namespace, &listener).await {
                    Ok(()) => delivery.ack().await,
                    // The next ingest begins with it.
                    Err(Error::Stopping) => {}
                    Err(error) => {
                        let error = tidemill_telemetry::Chain(&error).to_string();
                        tracing::error!(
                            error,
                            namespace,
                            listener,
                            "A listener could not fire; it is tried again."
                        );
                        delivery.retry_after(ACK_WAIT).await;
                    }
                }
            }
        });
        each.await;
    }
}

/// Fires for the times that have passed and sets the next one. Forgets a listener that has no
/// schedule any more. Safe to repeat at any time.
///
/// # Errors
/// [`Error::Stopping`]; what does not pass by itself.
pub(crate) async fn attend(app: &App, namespace: &str, name: &str) -> Result<(), Error> {
    until_done(&app.stopping, || look(app, namespace, name)).await
}

async fn look(app: &App, namespace: &str, name: &str) -> Result<(), Error> {
    let Some((listener, schedule)) = scheduled(app, namespace, name).await? else {
        return forget(app, namespace, name).await;
    };
    let fired_subject = subject::fired(namespace, name);
    for _ in 0..ROUNDS_MAX {
        let now = app.bus.now();
        let found = app.bus.last(SCHEDULES, &fired_subject).await?;
        let sequence = found.as_ref().map_or(0, |stored| stored.sequence);
        let before: Option<Fired> = match &found {
            Some(stored) => decode(&stored.subject, &stored.payload).ok(),
            None => None,
        };
        let begin = begin(&listener, now);
        let before =
            before.filter(|before| (&before.listener_uid, &before.schedule) == (&begin.listener_uid, &begin.schedule));
        let due = schedule.due(before.as_ref().map_or(now, |before| before.since), now);
        for time in &due {
            fire(app, &listener, *time).await?;
        }
        let after = Fired {
            since: due
                .last()
                .copied()
                .or(before.as_ref().map(|before| before.since))
                .unwrap_or(now),
            ..begin
        };
        if before.as_ref() == Some(&after) || write(app, &fired_subject, &after, sequence).await? {
            return set(app, namespace, name, schedule.next(now)).await;
        }
    }
    Err(Error::Contended { rounds: ROUNDS_MAX })
}

/// The state of a schedule that begins now.
fn begin(listener: &Listener, now: Timestamp) -> Fired {
    let text = |annotation| listener.annotation(annotation).unwrap_or_default();
    Fired {
        version: envelope::VERSION,
        listener_uid: listener.metadata.uid.clone().unwrap_or_default(),
        schedule: format!(
            "{} {}",
            text(names::ANNOTATION_SCHEDULE),
            text(names::ANNOTATION_TIME_ZONE)
        ),
        since: now,
    }
}

/// The listener and its schedule, if it has both and is not being deleted.
async fn scheduled(app: &App, namespace: &str, name: &str) -> Result<Option<(Listener, Schedule)>, Error> {
    let Some(kind) = Kind::by_resource("triggers.tekton.dev", "eventlisteners") else {
        return Ok(None);
    };
    let Some(object) = app.objects.get(&Key::new(kind, namespace, name)).await? else {
        return Ok(None);
    };
    let annotations = object.metadata.annotations.iter().flatten();
    let read = Schedule::of(annotations.map(|(key, value)| (key.as_str(), value.as_str())));
    match (Listener::read(&object), read) {
        (Ok(_), Ok(None)) => Ok(None),
        (Ok(listener), Ok(Some(schedule))) => Ok(listener
            .metadata
            .deletion_timestamp
            .is_none()
            .then_some((listener, schedule))),
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(%error, namespace, listener = name, "A listener does not fire.");
            Ok(None)
        }
    }
}

async fn fire(app: &App, listener: &Listener, time: Timestamp) -> Result<(), Error> {
    let address = Address {
        namespace: listener.namespace().to_owned(),
        listener: listener.name().to_owned(),
    };
    let request = Schedule::request(listener.namespace(), listener.name(), time);
    let (_, is_new) = store::keep(app, &address, listener, &request, "", "", None).await?;
    if is_new {
        tracing::info!(namespace = address.namespace, listener = address.listener, %time, "A listener fires.");
    }
    Ok(())
}

async fn write(app: &App, subject: &str, fired: &Fired, expected: u64) -> Result<bool, Error> {
    let message = Message::new(subject, encode(subject, fired)?).expecting(expected);
    match app.bus.publish(message).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_conflict() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Has the bus say when to look again; nothing when that is set already.
async fn set(app: &App, namespace: &str, name: &str, next: Option<Timestamp>) -> Result<(), Error> {
    let subject = subject::schedule(namespace, name);
    let Some(next) = next else {
        app.bus.purge(SCHEDULES, &subject, None).await?;
        return Ok(());
    };
    let payload = next.to_string().into_bytes();
    let found = app.bus.last(SCHEDULES, &subject).await?;
    if found.is_some_and(|found| found.payload == payload) {
        return Ok(());
    }
    let target = subject::tick(namespace, name);
    app.bus.schedule(&subject, &target, next, payload.into()).await?;
    Ok(())
}

async fn forget(app: &App, namespace: &str, name: &str) -> Result<(), Error> {
    for subject in [subject::schedule(namespace, name), subject::fired(namespace, name)] {
        if app.bus.last(SCHEDULES, &subject).await?.is_some() {
            app.bus.purge(SCHEDULES, &subject, None).await?;
        }
    }
    Ok(())
}
