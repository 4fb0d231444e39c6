//! Events as objects of the API.

use serde_json::{Map, Value, json};
use tidemill_messages::event::{Body, Event, Outcome, Summary, Verdict};
use tidemill_messages::notice::{Notice, What};

use super::scan::Entry;
use super::{GROUP, VERSION};

/// Kind of the objects.
pub(crate) const KIND: &str = "ReceivedEvent";

/// What is known of an entry beside its summary.
#[derive(Default)]
pub(super) struct Known {
    pub(super) outcome: Option<Outcome>,
    pub(super) notice: Option<Notice>,
    /// Only where one event is shown.
    pub(super) event: Option<Event>,
    /// When it came again.
    pub(super) redelivered_at: Vec<String>,
}

/// `events.tidemill.dev/v1`.
pub(super) fn api_version() -> String {
    format!("{GROUP}/{VERSION}")
}

/// An entry as an object.
pub(super) fn object(entry: &Entry, known: &Known) -> Value {
    let summary = &entry.summary;
    json!({
        "apiVersion": api_version(), "kind": KIND,
        "metadata": {
            "name": entry.name, "namespace": summary.namespace, "uid": entry.name,
            "resourceVersion": entry.sequence.to_string(), "creationTimestamp": summary.received_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        },
        "spec": spec(summary, known),
        "status": status(entry, known),
    })
}

fn spec(summary: &Summary, known: &Known) -> Value {
    let mut spec = Map::new();
    for (field, text) in [
        ("listener", &summary.listener),
        ("listenerUID", &summary.listener_uid),
        ("from", &summary.from),
        ("event", &summary.event),
        ("branch", &summary.branch),
        ("revision", &summary.revision),
        ("repository", &summary.repository),
        ("sender", &summary.sender),
    ] {
        if !text.is_empty() {
            spec.insert(field.to_owned(), json!(text));
        }
    }
    spec.insert("receivedAt".to_owned(), json!(summary.received_at));
    if let Some(event) = &known.event {
        spec.insert("url".to_owned(), json!(event.url));
        spec.insert("headers".to_owned(), json!(event.headers));
        let (field, text) = match &event.body {
            Body::Text(text) => ("body", text),
            Body::Base64(text) => ("bodyBase64", text),
        };
        spec.insert(field.to_owned(), json!(text));
    }
    Value::Object(spec)
}

fn status(entry: &Entry, known: &Known) -> Value {
    let words: Vec<&str> = entry.classes.iter().map(|class| class.as_str()).collect();
    let mut status = json!({"outcome": words.first(), "outcomes": words});
    if let Some(notice) = &known.notice {
        match &notice.what {
            What::Redelivered => status["redeliveryOf"] = json!(notice.summary.id),
            What::Refused { code, message } => {
                status["code"] = json!(code);
                status["reason"] = json!(message);
            }
        }
        if notice.unstored > 0 {
            status["unstored"] = json!(notice.unstored);
        }
    }
    if let Some(outcome) = &known.outcome {
        status["stage"] = json!(outcome.stage);
        status["decidedAt"] = json!(outcome.at);
        status["triggers"] = outcome.triggers.iter().map(trigger).collect();
        if outcome.retries > 0 {
            status["retries"] = json!(outcome.retries);
        }
        if !outcome.reason.is_empty() {
            status["reason"] = json!(outcome.reason);
        }
    }
    if !known.redelivered_at.is_empty() {
        status["redeliveredAt"] = json!(known.redelivered_at);
    }
    status
}

fn trigger(verdict: &Verdict) -> Value {
    let mut value = json!({
        "namespace": verdict.namespace, "name": verdict.trigger, "outcome": verdict.class().as_str(),
        "text": verdict.text,
    });
    if !verdict.warnings.is_empty() {
        value["warnings"] = json!(verdict.warnings);
    }
    if !verdict.made.is_empty() {
        value["objects"] = json!(verdict.made);
    }
    if !verdict.error.is_empty() {
        value["error"] = json!(verdict.error);
    }
    value
}

/// One line that says what became of an entry, such as `push → pipelinerun/run-x`.
pub(super) fn line(object: &Value) -> String {
    let status = &object["status"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(of) = status["redeliveryOf"].as_str() {
        return format!("redelivery of {}, nothing started", of.split('-').next().unwrap_or(of));
    }
    if !status["code"].is_null() {
        return format!("refused {}: {}", status["code"], text(&status["reason"]));
    }
    match status["outcome"].as_str() {
        Some("dead") => return format!("given up: {}", text(&status["reason"])),
        Some("pending") => return "being evaluated".to_owned(),
        _ => {}
    }
    let triggers: Vec<&Value> = status["triggers"].as_array().into_iter().flatten().collect();
    let Some(told) = triggers.iter().find(|trigger| trigger["outcome"] == status["outcome"]) else {
        return "the listener has no trigger for it".to_owned();
    };
    let rest = match triggers.len() - 1 {
        0 => String::new(),
        1 => " (and 1 more trigger)".to_owned(),
        more => format!(" (and {more} more triggers)"),
    };
    format!("{}{rest}", trigger_line(told))
}

/// What one trigger decided: the objects it made, or why it made none.
fn trigger_line(trigger: &Value) -> String {
    let text = |field: &str| trigger[field].as_str().unwrap_or_default();
    if !text("error").is_empty() {
        return format!("{} failed: {}", text("name"), text("error"));
    }
    let objects: Vec<String> = trigger["objects"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|made| {
            let field = |name: &str| made[name].as_str().unwrap_or_default();
            format!("{}/{}", field("kind").to_lowercase(), field("name"))
        })
        .collect();
    match objects.as_slice() {
        [] => text("text").to_owned(),
        made => format!("{} → {}", text("name"), made.join(", ")),
    }
}
