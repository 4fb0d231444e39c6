//! What of an object is its author's.

use serde_json::{Map, Value, json};

/// Interceptors that every installation has of its own.
const BUILT_IN: [&str; 5] = ["bitbucket", "cel", "github", "gitlab", "slack"];
/// Namespaces of the cluster itself.
const CLUSTERS_OWN: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];
/// Fields of the metadata that are the author's.
const AUTHORED: [&str; 4] = ["name", "namespace", "labels", "annotations"];

/// Whether an object is a person's, and not made by the cluster or another installation.
pub(super) fn is_wanted(object: &Value) -> bool {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let name = text("/metadata/name");
    if CLUSTERS_OWN.contains(&text("/metadata/namespace")) {
        return false;
    }
    match text("/kind") {
        "ClusterInterceptor" => !BUILT_IN.contains(&name),
        "ServiceAccount" => name != "default",
        "ConfigMap" => name != "kube-root-ca.crt",
        // Tokens are another cluster's; what Helm recorded is of releases there.
        "Secret" => !matches!(
            text("/type"),
            "kubernetes.io/service-account-token" | "helm.sh/release.v1"
        ),
        _ => true,
    }
}

/// The object without what a server set.
pub(super) fn clean(object: &Value) -> Value {
    let mut cleaned = object.clone();
    let metadata: Map<String, Value> = AUTHORED
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), object["metadata"].get(*key)?.clone())))
        .collect();
    cleaned["metadata"] = metadata.into();
    if let Some(fields) = cleaned.as_object_mut() {
        fields.remove("status");
        if object["kind"] == "ServiceAccount" {
            // Tokens of another cluster, made for it.
            fields.remove("secrets");
        }
    }
    cleaned
}

/// A finished run as history: nobody runs it. `owner` is the UID here of the run that started it.
pub(super) fn history(run: &Value, owner: Option<&str>) -> Value {
    let mut history = clean(run);
    history["spec"]["managedBy"] = json!("tidemill.dev/import");
    let reference = run.pointer("/metadata/ownerReferences/0").cloned();
    if let (Some(mut reference), Some(owner)) = (reference, owner) {
        reference["uid"] = json!(owner);
        history["metadata"]["ownerReferences"] = json!([reference]);
    }
    history
}

/// Whether a run is over.
pub(super) fn is_over(run: &Value) -> bool {
    let conditions = run.pointer("/status/conditions").and_then(Value::as_array);
    let decided = conditions.into_iter().flatten().any(|condition| {
        condition["type"] == "Succeeded" && (condition["status"] == "True" || condition["status"] == "False")
    });
    decided && run.pointer("/status/completionTime").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_people_made_is_taken() {
        let object = |kind: &str, namespace: &str, name: &str| json!({"kind": kind, "metadata": {"name": name, "namespace": namespace}});
        assert!(is_wanted(&object("Task", "default", "a")) && is_wanted(&object("Secret", "ci", "a")));
        for (kind, namespace, name) in [
            ("ClusterInterceptor", "", "github"),
            ("ConfigMap", "ci", "kube-root-ca.crt"),
            ("ServiceAccount", "ci", "default"),
            ("ConfigMap", "kube-system", "a"),
        ] {
            assert!(!is_wanted(&object(kind, namespace, name)), "{kind} {name}");
        }
        let mut token = object("Secret", "ci", "a");
        token["type"] = json!("kubernetes.io/service-account-token");
        assert!(!is_wanted(&token));
    }

    #[test]
    fn history_belongs_to_the_run_that_is_here() {
        let run = json!({"kind": "TaskRun", "metadata": {"name": "r", "ownerReferences": [{"kind": "PipelineRun", "uid": "there"}]}, "spec": {}, "status": {}});
        let made = history(&run, Some("here"));
        assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], "here");
        assert!(made.get("status").is_none());
        assert!(history(&run, None)["metadata"].get("ownerReferences").is_none());
    }
}
