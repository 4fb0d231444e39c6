//! Golden messages: one small object a rule.

use serde_json::{Value, json};

use crate::{Operation, admit};

mod pipeline;
mod runs;
mod task;

/// The problems of an object, one line each, sorted; empty when it is admitted without warnings.
fn problems(value: Value) -> Vec<String> {
    let found = match admit(value, Operation::Create, false) {
        Ok(admitted) => admitted.warnings,
        Err(rejected) => {
            assert!(rejected.problems.iter().any(crate::Problem::is_error));
            rejected.problems
        }
    };
    let mut lines: Vec<String> = found
        .iter()
        .map(|problem| {
            if problem.is_error() {
                problem.to_string()
            } else {
                format!("warning: {problem}")
            }
        })
        .collect();
    lines.sort();
    lines
}

fn named(kind: &str, spec: &Value) -> Value {
    json!({"apiVersion": "tekton.dev/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec})
}

#[test]
fn names_labels_and_annotations_are_checked() {
    let mut task = named("Task", &json!({"steps": [{"image": "i"}]}));
    assert_eq!(problems(task.clone()), Vec::<String>::new());
    task["metadata"] = json!({"name": "Bad_Name", "namespace": "a.b", "labels": {"k/": "v", "ok": "not ok"}, "annotations": {"a b": ""}});
    assert_eq!(
        problems(task.clone()),
        [
            r#"metadata.annotations["a b"]: "a b" cannot be a key, expected [<domain>/]<name>, the name at most 63 characters"#,
            r#"metadata.labels.ok: "not ok" cannot be a label's value, expected at most 63 letters, digits, and inner dashes, dots and underscores"#,
            r#"metadata.labels["k/"]: "k/" cannot be a key, expected [<domain>/]<name>, the name at most 63 characters"#,
            r#"metadata.name: "Bad_Name" cannot be a name, expected lower case letters, digits, inner dashes and dots"#,
            r#"metadata.namespace: "a.b" is not a namespace's name, expected lower case letters, digits and inner dashes, at most 63"#,
        ]
    );
    for (metadata, expected) in [
        (json!({}), "metadata.name: is missing, expected name or generateName"),
        (
            json!({"name": "a".repeat(64)}),
            "metadata.name: a name of 64 characters, expected at most 63",
        ),
        (
            json!({"name": "run-$(params.x)"}),
            r#"metadata.name: "run-$(params.x)" cannot be a name (variables are not replaced in names; use generateName)"#,
        ),
        (
            json!({"generateName": "Run-"}),
            r#"metadata.generateName: "Run-" cannot begin a name, expected lower case letters, digits, dashes and dots, beginning with a letter or digit"#,
        ),
    ] {
        task["metadata"] = metadata;
        assert_eq!(problems(task.clone()), [expected]);
    }
    task["metadata"] = json!({"generateName": "run-"});
    assert_eq!(problems(task), Vec::<String>::new());
}

#[test]
fn kinds_that_are_not_known_are_refused() {
    for (api_version, kind, expected) in [
        (
            "tekton.dev/v1",
            "Pipelinerun",
            r#"kind: "Pipelinerun" is not a known kind (did you mean PipelineRun?)"#,
        ),
        (
            "tekton.dev/v1alpha1",
            "Task",
            r#"apiVersion: there is no Task in "tekton.dev/v1alpha1", expected tekton.dev/v1 or tekton.dev/v1beta1"#,
        ),
        ("v1", "Deployment", r#"kind: "Deployment" is not a known kind"#),
        ("v1", "", "kind: is missing, expected a string"),
    ] {
        assert_eq!(
            problems(json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}})),
            [expected]
        );
    }
    assert_eq!(
        problems(json!([])),
        ["not an object, expected apiVersion, kind, metadata"]
    );
}

#[test]
fn core_kinds_are_checked() {
    let core = |kind: &str, rest: Value| {
        let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}});
        object
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        problems(object)
    };
    assert_eq!(core("Secret", json!({"stringData": {"a": "b"}})), Vec::<String>::new());
    assert_eq!(
        core(
            "Secret",
            json!({"type": "kubernetes.io/ssh-auth", "data": {"a b": "eA=="}})
        ),
        [
            "data: a Secret of type kubernetes.io/ssh-auth without its keys, expected ssh-privatekey",
            r#"data["a b"]: "a b" cannot be a key, expected letters, digits, dashes, dots and underscores, at most 253"#,
        ]
    );
    assert_eq!(core("Secret", json!({"data": {"a": "not base64!"}})).len(), 1);
    assert_eq!(
        core("ConfigMap", json!({"data": {"a": "b"}, "binaryData": {"a": "eA=="}})),
        [r#"binaryData.a: "a" stands in data too"#]
    );
    assert_eq!(
        core("ConfigMap", json!({"data": {"a": "x".repeat(1024 * 1024)}})),
        ["data: 1048577 bytes, expected at most 1048576"]
    );
    assert_eq!(
        core("PersistentVolumeClaim", json!({"spec": {"accessModes": ["Some"]}})),
        [
            r#"spec.accessModes[0]: "Some" is not known, expected ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod"#,
            "spec.resources.requests.storage: is missing, expected a size such as 1Gi",
        ]
    );
    assert_eq!(
        core("ServiceAccount", json!({"secrets": [{}]})),
        ["secrets[0].name: is missing"]
    );
}
