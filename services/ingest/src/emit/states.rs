//! Which states of a run are to be told, read from the object as it is now.

use jiff::Timestamp;
use serde_json::{Value, json};
use tidemill_messages::cloud_event::CloudEvent;
use tidemill_messages::envelope;
use tidemill_resources::Object;
use uuid::Uuid;

use super::ANNOTATION_HOPS;

/// A state of a run, with what is told of it.
#[derive(Debug)]
pub(super) struct State {
    /// The last token of its subject; the same for the same state.
    pub(super) token: String,
    pub(super) event: CloudEvent,
}

/// Kind of the runs of which events are told: in types and subjects, and in the data.
pub(super) fn kind(object: &Object) -> Option<(&'static str, &'static str)> {
    match object.kind.as_str() {
        "PipelineRun" => Some(("pipelinerun", "pipelineRun")),
        "TaskRun" => Some(("taskrun", "taskRun")),
        "CustomRun" => Some(("customrun", "customRun")),
        _ => None,
    }
}

/// The states the run has come through, in order. Those before the present one are told, too: they
/// may have been overwritten before they were seen.
pub(super) fn states(object: &Object) -> Vec<State> {
    let condition = object.rest.get("status").and_then(|status| {
        let conditions = status.get("conditions")?.as_array()?;
        conditions.iter().find(|condition| condition["type"] == "Succeeded")
    });
    let mut states = vec![state(
        object,
        "queued",
        "",
        at(object, &["/metadata/creationTimestamp"]),
    )];
    let Some(condition) = condition else { return states };
    let reason = condition["reason"].as_str().unwrap_or_default();
    let status = condition["status"].as_str().unwrap_or_default();
    let changed = at(object, &["/status/startTime", "/metadata/creationTimestamp"]);
    if status == "Unknown" && reason.ends_with("Pending") {
        return states;
    }
    states.push(state(object, "started", "", changed));
    let changed = condition["lastTransitionTime"]
        .as_str()
        .and_then(|time| time.parse().ok());
    let changed = changed.or_else(|| at(object, &["/status/completionTime", "/status/startTime"]));
    states.extend(match (status, reason) {
        ("Unknown", "Started") => None,
        ("Unknown", "Running") => Some(state(object, "running", "", changed)),
        ("True", _) => Some(state(object, "successful", "", changed)),
        ("False", _) => Some(state(object, "failed", "", changed)),
        // Other reasons come one after the other: each is a state of its own.
        _ => Some(state(object, "unknown", reason, changed)),
    });
    states
}

fn state(object: &Object, name: &str, reason: &str, time: Option<Timestamp>) -> State {
    let (kind, field) = kind(object).unwrap_or_default();
    let token = match reason {
        "" => name.to_owned(),
        reason => format!("{name}-{reason}"),
    };
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let hops = object
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(ANNOTATION_HOPS)?.parse().ok());
    State {
        event: CloudEvent {
            version: envelope::VERSION,
            id: Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{uid}/{token}").as_bytes()).to_string(),
            source: format!(
                "/apis/{}/namespaces/{}/{}/{}",
                object.api_version,
                object.namespace(),
                object.kind,
                object.name()
            ),
            kind: format!("dev.tekton.event.{kind}.{name}.v1"),
            subject: object.name().to_owned(),
            time: time.unwrap_or_default(),
            data: json!({field: object.to_value()}),
            hops: hops.unwrap_or_default(),
        },
        token,
    }
}

fn at(object: &Object, pointers: &[&str]) -> Option<Timestamp> {
    let value: Value = object.to_value();
    pointers
        .iter()
        .find_map(|pointer| value.pointer(pointer)?.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(status: Value) -> Vec<String> {
        let object = json!({
            "apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
            "metadata": {"name": "run", "namespace": "ci", "uid": "u", "creationTimestamp": "2026-11-23T13:05:02Z"},
            "status": status,
        });
        let object: Object = serde_json::from_value(object).unwrap();
        states(&object).into_iter().map(|state| state.token).collect()
    }

    #[test]
    fn what_a_run_went_through_is_told_in_order() {
        let with = |status: &str, reason: &str| {
            tokens(json!({"conditions": [{"type": "Succeeded", "status": status, "reason": reason}]}))
        };
        assert_eq!(tokens(json!({})), ["queued"]);
        assert_eq!(with("Unknown", "PipelineRunPending"), ["queued"]);
        assert_eq!(with("Unknown", "Started"), ["queued", "started"]);
        assert_eq!(with("Unknown", "Running"), ["queued", "started", "running"]);
        assert_eq!(
            with("Unknown", "PipelineRunStopping"),
            ["queued", "started", "unknown-PipelineRunStopping"]
        );
        assert_eq!(with("True", "Completed"), ["queued", "started", "successful"]);
        assert_eq!(with("False", "Cancelled"), ["queued", "started", "failed"]);
    }

    #[test]
    fn events_are_tektons() {
        let object = json!({
            "apiVersion": "tekton.dev/v1", "kind": "TaskRun",
            "metadata": {"name": "run", "namespace": "ci", "uid": "u", "annotations": {ANNOTATION_HOPS: "2"},
                         "creationTimestamp": "2026-11-23T13:05:02Z"},
            "status": {"completionTime": "2026-11-23T13:05:09Z", "startTime": "2026-11-23T13:05:03Z",
                       "conditions": [{"type": "Succeeded", "status": "False", "reason": "Failed"}]},
        });
        let object: Object = serde_json::from_value(object).unwrap();
        let all = states(&object);
        let last = &all[2].event;
        assert_eq!(last.kind, "dev.tekton.event.taskrun.failed.v1");
        assert_eq!(last.source, "/apis/tekton.dev/v1/namespaces/ci/TaskRun/run");
        assert_eq!((last.subject.as_str(), last.hops), ("run", 2));
        assert_eq!(last.data["taskRun"]["metadata"]["uid"], "u");
        let times: Vec<String> = all.iter().map(|state| state.event.time.to_string()).collect();
        assert_eq!(
            times,
            ["2026-11-23T13:05:02Z", "2026-11-23T13:05:03Z", "2026-11-23T13:05:09Z"]
        );
        assert_ne!(all[0].event.id, all[1].event.id);
    }
}
