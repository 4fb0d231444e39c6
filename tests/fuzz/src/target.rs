//! What is tried.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidemill_resources::Object;
use tidemill_triggers::{
    Event, Headers, Known, Listener, OBJECT_BYTES_MAX, Request, Schedule, evaluate, event_id, event_key, validate,
};

/// What divides an input with two parts.
const DIVIDER: &[u8] = b"\n---\n";
/// When all events come.
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// Something that takes input of others.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// Tries one input.
    pub body: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 7] = [
    target("body", body),
    target("headers", headers),
    target("jsonpath", jsonpath),
    target("cel", cel),
    target("template", template),
    target("listener", listener),
    target("schedule", schedule),
];

const fn target(name: &'static str, body: fn(&[u8])) -> Target {
    Target { name, body }
}

/// A content type and a body.
fn body(input: &[u8]) {
    let (kind, body) = parts(input);
    let request = Request {
        url: "/ci/git".to_owned(),
        headers: Headers::from_iter([("Content-Type", text(kind))]),
        body: body.to_vec(),
    };
    let trigger =
        json!({"bindings": [{"name": "a", "value": "$(body)"}], "template": template_of(&made("$(tt.params.a)"))});
    for checked in [true, false] {
        take(&request, checked, &trigger);
    }
}

/// Headers by line and a body, against every interceptor that looks at them.
fn headers(input: &[u8]) {
    let (head, body) = parts(input);
    let head = text(head);
    let pairs = head.lines().filter_map(|line| line.split_once(':'));
    let request = Request {
        url: "/ci/git".to_owned(),
        headers: Headers::from_iter(pairs.map(|(name, value)| (name, value.trim()))),
        body: body.to_vec(),
    };
    for forge in ["github", "gitlab", "bitbucket", "slack"] {
        let secret = json!({"secretName": "git", "secretKey": "token"});
        let interceptor = json!({"ref": {"name": forge}, "params": [{"name": "secretRef", "value": secret}]});
        take(
            &request,
            true,
            &json!({"interceptors": [interceptor], "template": template_of(&made("x"))}),
        );
    }
}

/// A path into a document, as a binding has it.
fn jsonpath(input: &[u8]) {
    let (path, body) = parts(input);
    let bindings = json!([{"name": "a", "value": format!("<$({})>", text(path))}]);
    take(
        &posted(body),
        false,
        &json!({"bindings": bindings, "template": template_of(&made("$(tt.params.a)"))}),
    );
}

/// An expression over a document, as a filter and as an overlay.
fn cel(input: &[u8]) {
    let (expression, body) = parts(input);
    let expression = text(expression);
    for params in [
        json!([{"name": "filter", "value": expression}]),
        json!([{"name": "overlays", "value": [{"key": "a.b", "expression": expression}]}]),
    ] {
        let interceptor = json!({"ref": {"name": "cel"}, "params": params});
        let bindings = json!([{"name": "a", "value": "$(extensions)"}]);
        let trigger = json!({"interceptors": [interceptor], "bindings": bindings, "template": template_of(&made("$(tt.params.a)"))});
        take(&posted(body), false, &trigger);
    }
}

/// A template in JSON and a document whose `a` is its parameter.
fn template(input: &[u8]) {
    let (template, body) = parts(input);
    let Ok(template) = serde_json::from_slice::<Value>(template) else {
        return;
    };
    let spec = json!({"params": [{"name": "a"}], "resourcetemplates": [template]});
    let object = json!({"apiVersion": "triggers.tekton.dev/v1beta1", "kind": "TriggerTemplate",
        "metadata": {"name": "t", "namespace": "ci"}, "spec": spec});
    check(&object);
    let bindings = json!([{"name": "a", "value": "$(body.a)"}]);
    take(
        &posted(body),
        false,
        &json!({"bindings": bindings, "template": {"spec": spec}}),
    );
}

/// A whole listener in JSON and a document.
fn listener(input: &[u8]) {
    let (listener, body) = parts(input);
    let Ok(spec) = serde_json::from_slice::<Value>(listener) else {
        return;
    };
    evaluate_spec(&spec, &posted(body), false);
}

/// Fields, a time zone and a policy, by line.
fn schedule(input: &[u8]) {
    let input = text(input);
    let mut lines = input.lines();
    let fields = lines.next().unwrap_or_default();
    let (zone, missed) = (lines.next().filter(|zone| !zone.is_empty()), lines.next());
    let Ok(schedule) = Schedule::read(fields, zone, missed) else {
        return;
    };
    let mut time = NOW;
    for _ in 0..5 {
        match schedule.next(time) {
            Some(next) => {
                assert!(next > time, "{next} follows {time}");
                time = next;
            }
            None => break,
        }
    }
    let later = NOW + SignedDuration::from_hours(24 * 400);
    let due = schedule.due(NOW, later);
    assert!(
        due.is_sorted() && due.iter().all(|time| *time > NOW && *time <= later),
        "{due:?}"
    );
}

/// Takes a request as ingest does, with one trigger.
fn take(request: &Request, checked: bool, trigger: &Value) {
    evaluate_spec(&json!({"triggers": [trigger]}), request, checked);
}

fn evaluate_spec(spec: &Value, request: &Request, checked: bool) {
    let object = json!({"apiVersion": "triggers.tekton.dev/v1beta1", "kind": "EventListener",
        "metadata": {"name": "git", "namespace": "ci", "uid": "u"}, "spec": spec});
    let Some(object) = check(&object) else { return };
    let Ok(listener) = Listener::read(&object) else { return };
    let key = event_key("u", request, "nonce");
    assert_eq!(key, event_key("u", request, "nonce"));
    let Ok(event) = Event::read(request, event_id(&key), NOW, checked) else {
        return;
    };
    let _shown = event.origin().summary();
    let mut known = Known::complete();
    known.add_secret("ci", "git", "token", "secret");
    let outcomes = evaluate(&listener, &[], &known, &event);
    for outcome in &outcomes {
        let said = outcome.decision.describe();
        assert!(said.len() < 64 << 10, "a reason of {} bytes", said.len());
        if let tidemill_triggers::Decision::Accepted { objects } = &outcome.decision {
            for object in objects {
                let bytes = object.to_string().len();
                assert!(bytes <= 2 * OBJECT_BYTES_MAX, "an object of {bytes} bytes");
            }
        }
    }
}

/// Admission; what it refuses is evaluated all the same, as it may have been stored before.
fn check(object: &Value) -> Option<Object> {
    let object: Object = serde_json::from_value(object.clone()).ok()?;
    let _problems = validate(&object);
    Some(object)
}

fn posted(body: &[u8]) -> Request {
    Request {
        url: "/ci/git?a=b".to_owned(),
        headers: Headers::from_iter([("Content-Type", "application/json"), ("X-A", "b")]),
        body: body.to_vec(),
    }
}

fn template_of(made: &Value) -> Value {
    json!({"spec": {"params": [{"name": "a", "default": "none"}], "resourcetemplates": [made]}})
}

fn made(value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}, "data": {"a": value}})
}

fn parts(input: &[u8]) -> (&[u8], &[u8]) {
    let at = input.windows(DIVIDER.len()).position(|window| window == DIVIDER);
    at.map_or((input, b"{}"), |at| (&input[..at], &input[at + DIVIDER.len()..]))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
