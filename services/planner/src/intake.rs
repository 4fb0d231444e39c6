//! Turning changes of run objects into facts (P7). Belongs to the service that serves the objects.

use std::time::Duration;

use futures::future::join_all;
use tidemill_bus::{Bus, Consumer, ConsumerSpec, Delivery, Message, Retry, Stored};
use tidemill_messages::envelope::{TRACEPARENT, VERSION};
use tidemill_messages::fact::{Fact, FactBody};
use tidemill_messages::stream::OBJECTS;
use tidemill_messages::trace::Span;
use tidemill_messages::{AttemptKey, RunKind, Traceparent, encode, subject};
use tidemill_objects::Head;
use tidemill_telemetry::Chain;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::facts::GROUP;
use crate::retry::until_done;

/// How long an object change may be under way before it comes again.
const ACK_WAIT: Duration = Duration::from_secs(10);
/// Object changes under way at once.
const PENDING_MAX: u64 = 1024;
/// Object changes taken at once.
const BATCH_MAX: usize = 256;
/// When a change comes again whose fact could not be stored.
const FAULT_PAUSE: Duration = Duration::from_secs(1);

/// Publishes a fact for each new generation and each deletion of a PipelineRun or TaskRun, until
/// `shutdown`. Several may run: each fact is stored once. Status writes do not change the generation
/// and give no fact; nor does the creation of a TaskRun by its own PipelineRun.
///
/// # Errors
/// [`Error::Bus`] when the stream is not there.
pub async fn run_intake(bus: Bus, shutdown: CancellationToken) -> Result<(), Error> {
    let mut consumer = until_done(&shutdown, || join(&bus)).await?;
    loop {
        let batch = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            batch = consumer.next_batch(BATCH_MAX) => batch?,
        };
        join_all(batch.into_iter().map(|delivery| take(&bus, delivery))).await;
    }
}

async fn join(bus: &Bus) -> Result<Consumer, Error> {
    let filter = |resource| subject::objects_of(GROUP, resource);
    let spec = ConsumerSpec {
        stream: OBJECTS.to_owned(),
        name: "intake".to_owned(),
        filters: vec![filter("pipelineruns"), filter("taskruns")],
        ack_wait: ACK_WAIT,
        max_ack_pending: PENDING_MAX,
        pinned: None,
        from_start: true,
    };
    Ok(bus.consumer(&spec).await?)
}

async fn take(bus: &Bus, delivery: Delivery) {
    let published = match message(bus, &delivery.message) {
        Ok(None) => Ok(()),
        Ok(Some(message)) => publish(bus, message).await,
        Err(error) => {
            tracing::error!(subject = delivery.message.subject, error = %Chain(&error), "An object cannot be read; its change is dropped.");
            Ok(())
        }
    };
    match published {
        Ok(()) => delivery.ack().await,
        Err(error) => {
            tracing::warn!(subject = delivery.message.subject, error = %Chain(&error), "A change of an object is tried again.");
            delivery.retry_after(FAULT_PAUSE).await;
        }
    }
}

async fn publish(bus: &Bus, message: Message) -> Result<(), Error> {
    match bus.publish_pipelined(message).await {
        Err(error) if error.retry() != Retry::Reload => Err(error.into()),
        // A conflict: the fact is there already.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The fact that a change of an object is, if it is one.
fn message(bus: &Bus, stored: &Stored) -> Result<Option<Message>, Error> {
    let (_, resource, namespace, name) = subject::parse_object(&stored.subject)?;
    let Some(head) = Head::read(stored) else {
        return Err(tidemill_messages::Error::Subject {
            subject: stored.subject.clone(),
            expected: "an object with the headers of crate objects",
        }
        .into());
    };
    let deleting = head.deleting || head.deleted.is_some();
    let what = if deleting {
        "deletion".to_owned()
    } else {
        head.generation.to_string()
    };
    let parent = head.owners.iter().find(|owner| owner.resource == "pipelineruns");
    let (subject, body) = match parent {
        // Made by the planner itself: no news.
        Some(_) if head.generation <= 1 && !deleting => return Ok(None),
        Some(parent) => {
            let key = AttemptKey::new(parent.uid.to_string(), name.clone(), 0);
            let body = FactBody::ChildChanged {
                name,
                uid: head.uid.to_string(),
                status: spec_status(stored)?,
                deleting,
            };
            (subject::attempt_fact(&key, &format!("child.{what}")), body)
        }
        None => {
            let kind = if resource == "taskruns" {
                RunKind::TaskRun
            } else {
                RunKind::PipelineRun
            };
            let uid = head.uid.to_string();
            let subject = subject::run_fact(&uid, &format!("spec.{what}"));
            let body = FactBody::SpecChanged {
                kind,
                namespace,
                name,
                uid,
                generation: head.generation,
                sequence: stored.sequence,
                deleting,
            };
            (subject, body)
        }
    };
    let fact = Fact {
        version: VERSION,
        at: bus.now(),
        body,
    };
    let run = parent.map_or(head.uid, |parent| parent.uid).to_string();
    let traceparent = Traceparent::continued(stored.header(TRACEPARENT), Span::Run { uid: &run });
    let payload = encode(&subject, &fact)?;
    Ok(Some(
        Message::new(subject, payload)
            .header(TRACEPARENT, traceparent.to_string())
            .expecting(0),
    ))
}

fn spec_status(stored: &Stored) -> Result<Option<String>, Error> {
    #[derive(serde::Deserialize)]
    struct Spec {
        status: Option<String>,
    }
    #[derive(serde::Deserialize)]
    struct Child {
        spec: Option<Spec>,
    }
    let child: Child = tidemill_messages::decode(&stored.subject, &stored.payload)?;
    Ok(child.spec.and_then(|spec| spec.status))
}
