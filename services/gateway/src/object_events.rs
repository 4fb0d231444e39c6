//! Events about runs, as `kubectl describe` lists them: made from the status of the run when they are asked
//! for, so that a run costs no more messages than its own.
//!
//! A list that names the object (`involvedObject.name`) has all of them, any other those of the last hour, as long as
//! Kubernetes keeps events. Events that others create are stored like any object and stand beside them. In a cluster, whose kind events are, start and end of each run are
//! written there (`cluster::record`).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidemill_objects::{Error, Key, ListQuery, Objects, Scope};
use tidemill_resources::{Kind, Object};
use uuid::Uuid;

/// Kinds that have such events, by their resource.
const RUNS: [(&str, &str); 2] = [("PipelineRun", "pipelineruns"), ("TaskRun", "taskruns")];

/// How long an event is listed that nobody names the object of.
const RECENT: SignedDuration = SignedDuration::from_hours(1);
/// Runs of each kind that are looked through for such events.
const MAX_RUNS: usize = 2_000;

/// The events of runs that the selectors select.
pub(crate) async fn selected(objects: &Objects, scope: &Scope, now: Timestamp) -> Result<Vec<Value>, Error> {
    let kind = scope.fields.required("involvedObject.kind");
    let mut found = Vec::new();
    for (known, resource) in RUNS {
        if kind.is_some_and(|kind| kind != known) {
            continue;
        }
        let events = match scope.fields.required("involvedObject.name") {
            Some(name) => named(objects, scope, resource, name).await?,
            None => recent(objects, scope, resource, now).await?,
        };
        found.extend(events.into_iter().filter(|event| {
            let event = serde_json::from_value::<Object>(event.clone());
            event.is_ok_and(|event| scope.fields.matches(&event))
        }));
    }
    Ok(found)
}

async fn named(objects: &Objects, scope: &Scope, resource: &str, name: &str) -> Result<Vec<Value>, Error> {
    let namespace = scope
        .namespace
        .as_deref()
        .or(scope.fields.required("involvedObject.namespace"));
    let Some(kind) = Kind::by_resource("tekton.dev", resource) else {
        return Ok(Vec::new());
    };
    let key = Key::new(kind, namespace.unwrap_or_default(), name);
    let run = objects.get(&key).await?;
    Ok(run.iter().flat_map(of).collect())
}

async fn recent(objects: &Objects, scope: &Scope, resource: &str, now: Timestamp) -> Result<Vec<Value>, Error> {
    let query = ListQuery {
        scope: Scope::new("tekton.dev", resource, scope.namespace.as_deref()),
        limit: MAX_RUNS,
        ..ListQuery::default()
    };
    let is_recent = |event: &Value| {
        let at = event["lastTimestamp"]
            .as_str()
            .and_then(|at| at.parse::<Timestamp>().ok());
        at.is_some_and(|at| now.duration_since(at) < RECENT)
    };
    Ok(objects
        .list(&query)
        .await?
        .items
        .iter()
        .flat_map(of)
        .filter(is_recent)
        .collect())
}

/// Start and end of a run: what is worth an object of the cluster.
pub(crate) fn milestones(run: &Object) -> Vec<Value> {
    let mut events = of(run);
    events.retain(|event| {
        ["Started", "Succeeded", "Failed"]
            .iter()
            .any(|reason| event["reason"] == *reason)
    });
    events
}

/// What happened to a run.
fn of(run: &Object) -> Vec<Value> {
    let status = run.rest.get("status").cloned().unwrap_or_default();
    let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let mut events = Vec::new();
    if !text("/startTime").is_empty() {
        events.push(event(run, "Normal", "Started", "", text("/startTime")));
    }
    let (reason, message) = (text("/conditions/0/reason"), text("/conditions/0/message"));
    let at = [text("/completionTime"), text("/conditions/0/lastTransitionTime")];
    let at = at.into_iter().find(|time| !time.is_empty()).unwrap_or_default();
    match text("/conditions/0/status") {
        "True" => events.push(event(run, "Normal", "Succeeded", message, at)),
        "False" => events.push(event(run, "Warning", "Failed", message, at)),
        "Unknown" if reason != "Started" => events.push(event(run, "Normal", reason, message, at)),
        _ => {}
    }
    events
}

fn event(run: &Object, kind: &str, reason: &str, message: &str, at: &str) -> Value {
    let uid = run.metadata.uid.as_deref().unwrap_or_default();
    // The same event has the same name and identity whenever it is asked for.
    let own = Uuid::new_v5(&uid.parse().unwrap_or_default(), reason.as_bytes());
    let suffix = own.simple().to_string();
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {
            "name": format!("{}.{}", run.name(), &suffix[..16]), "namespace": run.namespace(), "uid": own.to_string(),
            "resourceVersion": run.metadata.resource_version, "creationTimestamp": at,
        },
        "involvedObject": {
            "apiVersion": run.api_version, "kind": run.kind, "name": run.name(), "namespace": run.namespace(),
            "uid": uid, "resourceVersion": run.metadata.resource_version,
        },
        "reason": reason, "message": message, "type": kind, "count": 1, "firstTimestamp": at, "lastTimestamp": at,
        "source": {"component": "tidemill"}, "reportingComponent": "tidemill", "reportingInstance": "",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_what_happened() {
        let run: Object = serde_json::from_value(json!({
            "apiVersion": "tekton.dev/v1", "kind": "TaskRun",
            "metadata": {"name": "a", "namespace": "ci", "uid": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
            "status": {
                "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:09Z",
                "conditions": [{"type": "Succeeded", "status": "False", "reason": "TaskRunTimeout", "message": "late"}],
            },
        }))
        .unwrap();
        let events = of(&run);
        let told: Vec<_> = events
            .iter()
            .map(|event| (&event["reason"], &event["message"], &event["type"]))
            .collect();
        assert_eq!(told[0], (&json!("Started"), &json!(""), &json!("Normal")));
        assert_eq!(told[1], (&json!("Failed"), &json!("late"), &json!("Warning")));
        assert_eq!(events, of(&run));
        assert_eq!(events, milestones(&run));
        assert!(of(&Object::default()).is_empty());
    }
}
