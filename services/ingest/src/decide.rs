//! From a stored event to what each trigger decided.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use tidemill_bus::{Stored, blob};
use tidemill_messages::envelope::TRACEPARENT;
use tidemill_messages::event::{Body, Class, Event, Verdict};
use tidemill_messages::release::{ANNOTATION_RELEASE_EVENT, CLOUD_EVENT_TYPE};
use tidemill_messages::{Traceparent, decode, trace};
use tidemill_triggers::{
    Decision, Found, Headers, Known, Listener, Need, ROUNDS_MAX, Request, TriggerOutcome, evaluate, is_credential,
};

use crate::app::App;
use crate::emit::{ANNOTATION_HOPS, HEADER_HOPS};
use crate::turn::Turn;
use crate::{Error, find};

/// Needs of one event that are looked up at once.
const NEEDS_AT_ONCE: usize = 4;

/// What a stored event is: decoded, its credentials opened.
pub(crate) async fn read(app: &App, stored: &Stored) -> Result<(Event, tidemill_triggers::Event), Error> {
    let payload = blob::payload(&app.bus, stored).await?;
    let event: Event = decode(&stored.subject, &payload)?;
    let poison = |reason: String| Error::Poison { reason };
    let mut headers = Headers::default();
    for (name, values) in &event.headers {
        for value in values {
            match is_credential(name) {
                true => headers.add(name, app.sealer.open(&event.summary.key, value)?),
                false => headers.add(name, value.as_str()),
            }
        }
    }
    let body = match &event.body {
        Body::Text(text) => text.as_bytes().to_vec(),
        Body::Base64(text) => BASE64_STANDARD
            .decode(text)
            .map_err(|error| poison(format!("its body cannot be read: {error}")))?,
    };
    let request = Request {
        url: event.url.clone(),
        headers,
        body,
    };
    let (id, at) = (event.summary.id.clone(), event.summary.received_at);
    let read = tidemill_triggers::Event::read(&request, id, at, event.checked);
    let read = read.map_err(|error| poison(error.to_string()))?;
    Ok((event, read))
}

/// What was decided about an event.
pub(crate) struct Decided {
    pub(crate) triggers: Vec<Verdict>,
    /// Whether its listener wants CloudEvents about it.
    pub(crate) cloud_events: bool,
}

/// What each trigger of the event's listener decides.
///
/// # Errors
/// [`Error::Poison`] for what can never be decided; [`Error::Busy`], [`Error::Panicked`].
pub(crate) async fn decide(app: &App, stored: &Stored, turn: &mut Turn<'_>) -> Result<Decided, Error> {
    let (event, read) = read(app, stored).await?;
    // What was applied before the event came is seen: one question to the leader instead of many.
    app.objects.catch_up().await?;
    let listener = listener(app, &event).await?;
    let triggers = find::triggers(&app.objects, &listener).await?;
    let (listener, triggers, read) = (Arc::new(listener), Arc::new(triggers), Arc::new(read));
    let mut known = Known::default();
    for _ in 0..ROUNDS_MAX {
        let (subject, all, facts, asked) = (listener.clone(), triggers.clone(), known.clone(), read.clone());
        // Evaluation only computes, for as long as its own limits let it.
        let evaluated = tokio::task::spawn_blocking(move || evaluate(&subject, &all, &facts, &asked)).await;
        let outcomes = evaluated.map_err(|_| Error::Panicked)?;
        let needs: BTreeSet<Need> = outcomes.iter().filter_map(|outcome| outcome.need().cloned()).collect();
        if needs.is_empty() {
            let marks = Marks {
                hops: read.headers.first(HEADER_HOPS),
                release: stored.header(TRACEPARENT).filter(|_| is_of_release(&read.headers)),
                context: Traceparent::of_evaluation(stored.header(TRACEPARENT), &event.summary.key),
            };
            return Ok(Decided {
                triggers: outcomes.into_iter().map(|outcome| verdict(outcome, &marks)).collect(),
                cloud_events: !listener.spec.cloud_event_uri.is_empty(),
            });
        }
        for (need, found) in find_all(app, needs, turn).await? {
            known.add(need, found);
        }
    }
    Err(Error::Poison {
        reason: format!("its triggers still ask for more after {ROUNDS_MAX} rounds"),
    })
}

/// The answers to all needs; those that others have to give are waited for outside of the turn.
async fn find_all(app: &App, needs: BTreeSet<Need>, turn: &mut Turn<'_>) -> Result<Vec<(Need, Found)>, Error> {
    let is_outside = needs.iter().any(|need| matches!(need, Need::Call(_)));
    let each = |need: Need| async move {
        let found = find::find(app, &need).await?;
        Ok::<_, Error>((need, found))
    };
    let all = stream::iter(needs).map(each).buffered(NEEDS_AT_ONCE).try_collect();
    match is_outside {
        true => turn.lend(all).await,
        false => all.await,
    }
}

async fn listener(app: &App, event: &Event) -> Result<Arc<Listener>, Error> {
    let poison = |reason: &str| Error::Poison {
        reason: format!("EventListener {} {reason}", event.summary.listener),
    };
    let (namespace, name) = (&event.summary.namespace, &event.summary.listener);
    let found = app.remembered.listener(&app.objects, namespace, name).await;
    let found = found.map_err(|error| match error {
        Error::Body(error) => poison(&error.to_string()),
        error => error,
    })?;
    let listener = found.ok_or_else(|| poison("was deleted"))?;
    if listener.metadata.uid.as_deref() != Some(event.summary.listener_uid.as_str()) {
        return Err(poison("was deleted; another one has its name"));
    }
    Ok(listener)
}

fn verdict(outcome: TriggerOutcome, marks: &Marks<'_>) -> Verdict {
    let text = outcome.decision.describe();
    let class = match &outcome.decision {
        Decision::Accepted { .. } => Class::Accepted,
        Decision::Filtered { .. } => Class::Filtered,
        Decision::Refused { .. } => Class::Refused,
        Decision::Failed { .. } | Decision::Pending { .. } => Class::Failed,
    };
    let objects: Option<Vec<Value>> = match outcome.decision {
        Decision::Accepted { objects } => Some(objects.into_iter().map(|object| marks.on(object)).collect()),
        _ => None,
    };
    Verdict {
        namespace: outcome.namespace,
        trigger: outcome.trigger,
        accepted: objects.is_some(),
        decision: Some(class),
        text,
        warnings: outcome.warnings,
        objects: objects.unwrap_or_default(),
        made: Vec::new(),
        error: String::new(),
    }
}

/// What the objects of an event are marked with.
struct Marks<'a> {
    /// How many events have led to it, where the event says so.
    hops: Option<&'a str>,
    /// Trace context of the release's event that the listener was fed with.
    release: Option<&'a str>,
    /// Its evaluation.
    context: Traceparent,
}

/// Whether a listener was fed with what became of a release.
fn is_of_release(headers: &Headers) -> bool {
    let kind = headers
        .first("Ce-Type")
        .and_then(|kind| kind.strip_prefix(CLOUD_EVENT_TYPE));
    headers.first(HEADER_HOPS).is_some() && kind.is_some_and(|status| status.starts_with('.'))
}

impl Marks<'_> {
    /// The object with its marks. What a template says of the trace itself counts.
    fn on(&self, mut object: Value) -> Value {
        let marks = [(ANNOTATION_HOPS, self.hops), (ANNOTATION_RELEASE_EVENT, self.release)];
        if let Some(annotations) = trace::annotations_of(&mut object) {
            for (name, value) in marks {
                if let Some(value) = value {
                    annotations.insert(name.to_owned(), json!(value));
                }
            }
        }
        self.context.mark(&mut object);
        object
    }
}
