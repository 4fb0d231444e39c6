//! Tables, as `kubectl get` prints them.

mod age;
mod columns;

pub(crate) use age::since;

use jiff::Timestamp;
use serde_json::{Value, json};
use tidemill_resources::Kind;

use columns::Column;

/// What of each object goes into the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Include {
    /// Nothing.
    None,
    /// Its metadata.
    Metadata,
    /// All of it.
    Object,
}

/// A table of `objects`; `metadata` is that of the list.
pub(crate) fn table(kind: &Kind, objects: &[Value], metadata: &Value, include: Include, now: Timestamp) -> Value {
    let columns = columns::of(kind);
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| row(&columns, object, include, now))
        .collect();
    let definitions: Vec<Value> = columns.iter().map(definition).collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": definitions, "rows": rows,
    })
}

/// An object's metadata alone.
pub(crate) fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

fn definition(column: &Column) -> Value {
    let name = column.name == "Name";
    json!({
        "name": column.name, "type": "string", "format": if name { "name" } else { "" },
        "description": column.description, "priority": 0,
    })
}

fn row(columns: &[Column], object: &Value, include: Include, now: Timestamp) -> Value {
    let cells: Vec<Value> = columns.iter().map(|column| (column.cell)(object, now)).collect();
    let mut row = json!({"cells": cells});
    match include {
        Include::None => {}
        Include::Metadata => row["object"] = partial(object),
        Include::Object => row["object"] = object.clone(),
    }
    row
}
