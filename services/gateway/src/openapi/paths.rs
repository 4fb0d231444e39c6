//! The addresses of kinds and what may be done there.

use serde_json::{Map, Value, json};
use tidemill_resources::Kind;

/// Which OpenAPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// 2.0
    Second,
    /// 3.0
    Third,
}

/// The addresses of a group and version.
pub(super) fn of(group: &str, version: &str, form: Form) -> Map<String, Value> {
    let root = if group.is_empty() {
        format!("/api/{version}")
    } else {
        format!("/apis/{group}/{version}")
    };
    let mut paths = Map::new();
    for kind in super::served(group, version) {
        let operation = |action: &str, parameters: &[&str]| operation(kind, version, action, parameters, form);
        let collection = json!({
            "get": operation("list", &["labelSelector", "fieldSelector", "limit", "continue", "watch"]),
            "post": operation("post", &["dryRun", "fieldManager", "fieldValidation"]),
            "delete": operation("deletecollection", &["dryRun", "labelSelector", "fieldSelector"]),
        });
        let object = json!({
            "get": operation("get", &[]),
            "put": operation("put", &["dryRun", "fieldManager", "fieldValidation"]),
            "patch": operation("patch", &["dryRun", "fieldManager", "fieldValidation", "force"]),
            "delete": operation("delete", &["dryRun", "propagationPolicy"]),
        });
        let scoped = if kind.namespaced {
            paths.insert(
                format!("{root}/{}", kind.plural),
                json!({"get": operation("list", &[])}),
            );
            format!("{root}/namespaces/{{namespace}}/{}", kind.plural)
        } else {
            format!("{root}/{}", kind.plural)
        };
        paths.insert(format!("{scoped}/{{name}}"), object);
        paths.insert(scoped, collection);
    }
    paths
}

fn operation(kind: &Kind, version: &str, action: &str, parameters: &[&str], form: Form) -> Value {
    let parameter = |name: &&str| match form {
        Form::Second => json!({"name": name, "in": "query", "type": "string", "uniqueItems": true}),
        Form::Third => json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}}),
    };
    let mut operation = json!({
        "parameters": parameters.iter().map(parameter).collect::<Vec<_>>(),
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": version, "kind": kind.kind},
    });
    if action == "patch" && form == Form::Third {
        // Strategic merge is left out: clients then use the merge keys they know of core types.
        let schema = json!({"schema": {"type": "object"}});
        operation["requestBody"] = json!({"content": {
            "application/json-patch+json": schema, "application/merge-patch+json": schema,
        }});
    }
    operation
}
