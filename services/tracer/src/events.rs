//! Spans of events: the request that brought one, and what triggers made of it.

use jiff::Timestamp;
use tidemill_bus::{Bus, Stored, blob};
use tidemill_messages::envelope::TRACEPARENT;
use tidemill_messages::event::{Event, Outcome, Stage};
use tidemill_messages::stream::EVENTS;
use tidemill_messages::trace::Span as Of;
use tidemill_messages::{Traceparent, decode, subject};
use tidemill_telemetry::span::{Event as Moment, Kind, Parent, Span};

use crate::Error;

/// The scope of these spans.
const SCOPE: &str = "tidemill.webhook";

/// The spans of an event that has come to its end.
pub(crate) async fn spans(bus: &Bus, stored: &Stored) -> Result<Vec<Span>, Error> {
    let payload = blob::payload(bus, stored).await?;
    let outcome: Outcome = decode(&stored.subject, &payload)?;
    if !matches!(outcome.stage, Stage::Done | Stage::Dead) {
        return Ok(Vec::new());
    }
    let Some(subject) = subject::event_of_outcome(&stored.subject) else {
        return Ok(Vec::new());
    };
    let Some(came) = bus.last(EVENTS, &subject).await? else {
        return Ok(Vec::new());
    };
    let payload = blob::payload(bus, &came).await?;
    let event: Event = decode(&came.subject, &payload)?;
    Ok(both(&came, &event, &outcome, stored.time))
}

fn both(came: &Stored, event: &Event, outcome: &Outcome, ended: Timestamp) -> Vec<Span> {
    let summary = &event.summary;
    let carried = came.header(TRACEPARENT);
    let context = Traceparent::of_event(carried, &summary.key);
    let parent = carried.and_then(|value| value.parse().ok());
    let path = event.url.split('?').next().unwrap_or_default();
    let times = (summary.received_at, came.time);
    // Who is fed from a subject or by a schedule was sent nothing.
    let is_fed = summary.sender.is_empty();
    let verb = if is_fed { "receive " } else { "POST /" };
    let name = format!("{verb}{}/{}", summary.namespace, summary.listener);
    let received = Span::new(SCOPE, name, context, times);
    let received = if is_fed {
        received
            .role(Kind::Consumer)
            .with("messaging.system", "nats")
            .with("messaging.operation.name", "receive")
            .with("messaging.operation.type", "receive")
    } else {
        received
            .role(Kind::Server)
            .with("http.request.method", "POST")
            .with("http.response.status_code", 202_u32)
            .with("url.path", path)
            .with("client.address", summary.sender.as_str())
    };
    let request = received
        .under(parent.map(|context| Parent {
            context,
            is_remote: true,
        }))
        .with("vcs.provider.name", summary.from.as_str())
        .with("vcs.repository.name", summary.repository.as_str())
        .with("vcs.ref.head.name", summary.branch.as_str())
        .with("vcs.ref.head.revision", summary.revision.as_str())
        .with("tidemill.event.id", summary.id.as_str())
        .with("tidemill.event.name", summary.event.as_str());
    let itself = context.span(Of::Evaluation { key: &summary.key });
    let mut evaluation = Span::new(SCOPE, "evaluate triggers", itself, (request.end, ended))
        .below(context)
        .role(Kind::Consumer)
        .with("messaging.system", "nats")
        .with("messaging.operation.name", "process")
        .with("messaging.operation.type", "process")
        .with("messaging.destination.name", EVENTS)
        .with("messaging.message.id", summary.id.as_str())
        .with("tidemill.event.outcome", outcome.class_words())
        .with("tidemill.event.retries", outcome.retries)
        .failed((outcome.stage == Stage::Dead).then(|| outcome.reason.clone()));
    evaluation.events = moments(outcome, ended);
    vec![request, evaluation]
}

/// What each trigger decided. Why is told to who may read the event: it may cite it.
fn moments(outcome: &Outcome, at: Timestamp) -> Vec<Moment> {
    let each = outcome.triggers.iter().map(|verdict| {
        let made: Vec<String> = verdict
            .made
            .iter()
            .map(|made| format!("{}/{}", made.kind, made.name))
            .collect();
        Moment {
            name: format!("trigger {}", verdict.class().as_str()),
            at,
            attributes: vec![
                ("tidemill.trigger.name", verdict.trigger.as_str().into()),
                ("tidemill.trigger.made", made.join(",").into()),
            ],
        }
    });
    each.collect()
}
