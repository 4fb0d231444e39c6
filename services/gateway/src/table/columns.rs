//! Which columns a kind has.

use jiff::Timestamp;
use serde_json::{Value, json};
use tidemill_resources::Kind;

use super::since;

/// One column.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) cell: fn(&Value, Timestamp) -> Value,
}

/// The columns of a kind, those of Tekton for its kinds.
pub(super) fn of(kind: &Kind) -> Vec<Column> {
    let mut columns = vec![column("Name", "Name of the object.", |object, _| {
        text(object, "/metadata/name")
    })];
    match (kind.group, kind.kind) {
        ("tekton.dev", "PipelineRun" | "TaskRun" | "CustomRun") => columns.extend(run()),
        ("triggers.tekton.dev", "EventListener") => columns.extend(listener()),
        ("", "Pod") => columns.extend(pod()),
        ("", "Namespace") => columns.push(column("Status", "Phase.", |object, _| text(object, "/status/phase"))),
        ("", "Secret") => {
            columns.push(column("Type", "What it is for.", |object, _| text(object, "/type")));
            columns.push(column("Data", "Number of values.", |object, _| {
                count(object, &["/data"])
            }));
        }
        ("", "ConfigMap") => columns.push(column("Data", "Number of values.", |object, _| {
            count(object, &["/data", "/binaryData"])
        })),
        _ => {}
    }
    if !matches!(kind.kind, "PipelineRun" | "TaskRun" | "CustomRun" | "EventListener") {
        columns.push(column("Age", "Time since its creation.", |object, now| {
            age(object, "/metadata/creationTimestamp", now)
        }));
    }
    columns
}

fn run() -> [Column; 4] {
    [
        column("Succeeded", "Whether it succeeded.", |object, _| {
            condition(object, "Succeeded", "status")
        }),
        column("Reason", "Why.", |object, _| condition(object, "Succeeded", "reason")),
        column("StartTime", "Time since its start.", |object, now| {
            age(object, "/status/startTime", now)
        }),
        column("CompletionTime", "Time since its end.", |object, now| {
            age(object, "/status/completionTime", now)
        }),
    ]
}

fn listener() -> [Column; 5] {
    [
        column("Address", "Where it listens.", |object, _| {
            text(object, "/status/address/url")
        }),
        column("Available", "Whether it is available.", |object, _| {
            condition(object, "Available", "status")
        }),
        column("Reason", "Why.", |object, _| condition(object, "Available", "reason")),
        column("Ready", "Whether it is ready.", |object, _| {
            condition(object, "Ready", "status")
        }),
        column("Reason", "Why.", |object, _| condition(object, "Ready", "reason")),
    ]
}

fn pod() -> [Column; 3] {
    [
        column("Ready", "Containers that run.", |object, _| {
            let statuses = object.pointer("/status/containerStatuses").and_then(Value::as_array);
            let all = statuses.map_or(0, Vec::len);
            let ready = statuses.map_or(0, |all| all.iter().filter(|one| one["ready"] == true).count());
            json!(format!("{ready}/{all}"))
        }),
        column("Status", "Phase or reason.", |object, _| {
            // As Kubernetes prints it: by what became of the containers.
            match object.pointer("/status/phase").and_then(Value::as_str) {
                Some("Succeeded") => json!("Completed"),
                Some("Failed") => json!("Error"),
                phase => json!(phase.unwrap_or_default()),
            }
        }),
        column("Restarts", "Always 0: steps are not restarted.", |_, _| json!("0")),
    ]
}

fn column(name: &'static str, description: &'static str, cell: fn(&Value, Timestamp) -> Value) -> Column {
    Column {
        name,
        description,
        cell,
    }
}

fn text(object: &Value, pointer: &str) -> Value {
    object.pointer(pointer).cloned().unwrap_or_else(|| json!(""))
}

fn condition(object: &Value, kind: &str, field: &str) -> Value {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let found = conditions.and_then(|all| all.iter().find(|one| one["type"] == kind));
    found
        .and_then(|one| one.get(field))
        .cloned()
        .unwrap_or_else(|| json!(""))
}

fn age(object: &Value, pointer: &str, now: Timestamp) -> Value {
    json!(since(object.pointer(pointer), now).unwrap_or_default())
}

fn count(object: &Value, pointers: &[&str]) -> Value {
    let maps = pointers
        .iter()
        .filter_map(|pointer| object.pointer(pointer)?.as_object());
    json!(maps.map(serde_json::Map::len).sum::<usize>().to_string())
}
