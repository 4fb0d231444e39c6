//! Telling what became of an event, for listeners with a `cloudEventURI`.

use serde_json::json;
use tidemill_messages::cloud_event::CloudEvent;
use tidemill_messages::event::{Class, Outcome, Summary, Verdict};
use tidemill_messages::{envelope, subject};
use uuid::Uuid;

use super::publish;
use crate::Error;
use crate::app::App;

/// Kind of these events in subjects.
pub(super) const KIND: &str = "eventlistener";

/// Tells that an event was evaluated: started, what became of each trigger it was meant for, done.
/// Safe to repeat.
pub(crate) async fn decided(app: &App, summary: &Summary, outcome: &Outcome) -> Result<(), Error> {
    let triggers = outcome.triggers.iter().enumerate().filter_map(|(index, verdict)| {
        let state = state_of(verdict)?;
        Some((format!("{index}-{state}"), state, Some(verdict)))
    });
    let begin = std::iter::once(("started".to_owned(), "started", None));
    let end = std::iter::once(("done".to_owned(), "done", None));
    for (token, state, verdict) in begin.chain(triggers).chain(end) {
        let event = event(summary, outcome, &token, state, verdict);
        let token = format!("{}-{token}", summary.id);
        let subject = subject::cloud_event(&summary.namespace, KIND, &summary.listener_uid, &token);
        publish(app, subject, &event, None).await?;
    }
    Ok(())
}

/// What is told of a trigger; nothing of one the event was not meant for.
fn state_of(verdict: &Verdict) -> Option<&'static str> {
    match verdict.class() {
        Class::Accepted => Some("successful"),
        Class::Filtered => None,
        _ => Some("failed"),
    }
}

fn event(summary: &Summary, outcome: &Outcome, token: &str, state: &str, verdict: Option<&Verdict>) -> CloudEvent {
    let mut data = json!({
        "eventListener": summary.listener,
        "namespace": summary.namespace,
        "eventListenerUID": summary.listener_uid,
        "eventID": summary.id,
    });
    if let Some(verdict) = verdict {
        data["trigger"] = verdict.trigger.clone().into();
        data["triggerNamespace"] = verdict.namespace.clone().into();
        data["message"] = match verdict.error.as_str() {
            "" => verdict.text.clone().into(),
            error => error.into(),
        };
        data["resources"] = json!(verdict.made);
    }
    CloudEvent {
        version: envelope::VERSION,
        id: Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{}/{token}", summary.id).as_bytes()).to_string(),
        source: format!(
            "/apis/triggers.tekton.dev/v1beta1/namespaces/{}/EventListener/{}",
            summary.namespace, summary.listener
        ),
        kind: format!("dev.tekton.event.triggers.{state}.v1"),
        subject: summary.listener.clone(),
        time: outcome.at,
        data,
        hops: 0,
    }
}
