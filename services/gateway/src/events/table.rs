//! Events as a table, as `kubectl get` prints it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::object::line;
use crate::table::{partial, since};

/// Characters of a revision that are shown.
const REVISION_CHARS: usize = 7;

/// A table of these events; `metadata` is that of the list.
pub(super) fn table(objects: &[Value], metadata: &Value, now: Timestamp) -> Value {
    let column = |name: &str| {
        let format = if name == "Name" { "name" } else { "" };
        json!({"name": name, "type": "string", "format": format, "description": "", "priority": 0})
    };
    let columns: Vec<Value> = ["Name", "Age", "From", "What", "Outcome"].map(column).into();
    let rows: Vec<Value> = objects.iter().map(|object| row(object, now)).collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns, "rows": rows,
    })
}

fn row(object: &Value, now: Timestamp) -> Value {
    let spec = |field: &str| object["spec"][field].as_str().unwrap_or_default();
    let revision: String = spec("revision").chars().take(REVISION_CHARS).collect();
    let what = [spec("event"), spec("branch"), &revision].join(" ");
    let cells = json!([
        object["metadata"]["name"],
        since(object["metadata"].get("creationTimestamp"), now),
        spec("from"),
        what.trim(),
        line(object),
    ]);
    json!({"cells": cells, "object": partial(object)})
}
