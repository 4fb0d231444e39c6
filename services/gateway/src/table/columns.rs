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
    if (kind.group, kind.kind) == ("", "Event") {
        return event().into();
    }
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
        ("", "ServiceAccount") => columns.push(column("Secrets", "Number of secrets it may mount.", |object, _| {
            let secrets = object.pointer("/secrets").and_then(Value::as_array);
            json!(secrets.map_or(0, Vec::len).to_string())
        })),
        ("", "PersistentVolumeClaim") => columns.extend(claim()),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            columns.push(column("Role", "What is granted.", |object, _| {
                let part = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                json!(format!("{}/{}", part("/roleRef/kind"), part("/roleRef/name")))
            }));
        }
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") | ("", "LimitRange") => {
            columns.push(column("Created At", "When it was created.", |object, _| {
                text(object, "/metadata/creationTimestamp")
            }));
        }
        ("", "ConfigMap") => columns.push(column("Data", "Number of values.", |object, _| {
            count(object, &["/data", "/binaryData"])
        })),
        _ => {}
    }
    let ageless = [
        "PipelineRun",
        "TaskRun",
        "CustomRun",
        "EventListener",
        "Role",
        "ClusterRole",
        "LimitRange",
    ];
    if !ageless.contains(&kind.kind) {
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

fn event() -> [Column; 5] {
    [
        column("Last Seen", "Time since it happened last.", |object, now| {
            age(object, "/lastTimestamp", now)
        }),
        column("Type", "Normal or a warning.", |object, _| text(object, "/type")),
        column("Reason", "What happened.", |object, _| text(object, "/reason")),
        column("Object", "To what.", |object, _| {
            let part = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let kind = part("/involvedObject/kind").to_lowercase();
            json!(format!("{kind}/{}", part("/involvedObject/name")))
        }),
        column("Message", "More of it.", |object, _| text(object, "/message")),
    ]
}

fn claim() -> [Column; 5] {
    [
        column("Status", "Phase.", |object, _| text(object, "/status/phase")),
        column("Volume", "What it is bound to.", |object, _| {
            text(object, "/spec/volumeName")
        }),
        column("Capacity", "What it has.", |object, _| {
            text(object, "/status/capacity/storage")
        }),
        column("Access Modes", "How it may be mounted.", |object, _| {
            let modes = object
                .pointer("/status/accessModes")
                .or_else(|| object.pointer("/spec/accessModes"));
            let modes = modes.and_then(Value::as_array).into_iter().flatten();
            let short: Vec<&str> = modes.filter_map(Value::as_str).map(access_mode).collect();
            json!(short.join(","))
        }),
        column("StorageClass", "Who provides it.", |object, _| {
            text(object, "/spec/storageClassName")
        }),
    ]
}

/// As Kubernetes shortens it.
fn access_mode(mode: &str) -> &str {
    match mode {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        other => other,
    }
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
