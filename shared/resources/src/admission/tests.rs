use serde_json::{Value, json};

use super::{Operation, admit};
use crate::{Object, Severity};

fn admitted(value: Value) -> Object {
    admit(value, Operation::Create, true).unwrap().object
}

#[test]
fn an_admitted_object_is_admitted_unchanged() {
    let objects = [
        json!({"apiVersion": "tekton.dev/v1beta1", "kind": "PipelineRun", "metadata": {"generateName": "r-"},
            "spec": {"pipelineRef": {"name": "p"}, "timeout": "90s", "params": [{"name": "a", "value": ""}, {"name": "n", "value": 5}]}}),
        json!({"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "t"},
            "spec": {"params": [{"name": "p", "default": ""}], "steps": [{"image": "i", "script": "echo $(params.p)"}]}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "v"}}),
        json!({"apiVersion": "triggers.tekton.dev/v1beta1", "kind": "TriggerTemplate", "metadata": {"name": "tt"},
            "spec": {"resourcetemplates": [{"deep": [null, 1.5, {"x": []}]}]}, "odd": null}),
    ];
    for value in objects {
        let first = admitted(value);
        let again = admitted(first.to_value());
        assert_eq!(again, first);
        let update = admit(first.to_value(), Operation::Update { old: &first }, true).unwrap();
        assert_eq!(update.object, first);
        assert_eq!(update.warnings, []);
    }
}

#[test]
fn kinds_that_are_only_stored_keep_every_field() {
    let value = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "system:x", "namespace": "n"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "extra": null}], "unheard-of": {"a": 1}});
    assert_eq!(admitted(value.clone()).to_value(), value);
}

#[test]
fn unknown_fields_are_dropped_with_a_warning_or_refused() {
    let value = json!({"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "t", "nmae": "x"},
        "spec": {"steps": [{"image": "i", "imagePullPolcy": "Always"}]}});
    let lenient = admit(value.clone(), Operation::Create, false).unwrap();
    assert!(
        lenient
            .warnings
            .iter()
            .all(|problem| problem.severity == Severity::Warning)
    );
    assert_eq!(lenient.warnings.len(), 2);
    assert_eq!(lenient.object.rest["spec"]["steps"], json!([{"image": "i"}]));
    let rejected = admit(value, Operation::Create, true).unwrap_err();
    assert_eq!(rejected.problems.len(), 2);
    assert!(rejected.to_string().ends_with("; and 1 more"), "{rejected}");
}

#[test]
fn a_secrets_texts_become_data() {
    let secret = admitted(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "data": {"a": "b2xk", "b": "eA=="}, "stringData": {"a": "new"}}));
    assert_eq!(secret.rest["data"], json!({"a": "bmV3", "b": "eA=="}));
    assert_eq!(secret.rest["type"], "Opaque");
    assert!(!secret.rest.contains_key("stringData"));
}

#[test]
fn an_update_is_of_the_same_object() {
    let map = |name: &str, rest: Value| {
        let mut value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        value.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        value
    };
    let old = admitted(map("a", json!({"data": {"k": "v"}, "immutable": true})));
    let update = |value: Value| match admit(value, Operation::Update { old: &old }, true) {
        Ok(_) => Vec::new(),
        Err(rejected) => rejected.problems.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(update(old.to_value()), Vec::<String>::new());
    assert_eq!(
        update(map("b", json!({"data": {"k": "v"}, "immutable": true}))),
        [r#"metadata.name: cannot change, expected "a""#]
    );
    assert_eq!(
        update(map("a", json!({"data": {"k": "w"}, "immutable": true}))),
        ["data: the ConfigMap is immutable (delete it and create it anew)"]
    );
}

#[test]
fn at_most_fifty_problems_are_told() {
    let params: Vec<Value> = (0..200).map(|_| json!({"name": "-"})).collect();
    let value = json!({"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "t"},
        "spec": {"params": params, "steps": [{"image": "i"}]}});
    let rejected = admit(value, Operation::Create, true).unwrap_err();
    assert_eq!(rejected.problems.len(), 51);
    assert_eq!(
        rejected.problems[50].message,
        "349 more problems, only the first 50 are told"
    );
}

#[test]
fn errors_do_not_show_what_a_secret_holds() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "data": {"a": "hunter2!"}, "stringData": {"pin": 4711}});
    let mut lines: Vec<String> = admit(secret, Operation::Create, false)
        .unwrap_err()
        .problems
        .iter()
        .map(ToString::to_string)
        .collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "data.a: not text in base64 (plain text goes under stringData)",
            "stringData.pin: not a string, expected a string (put it in quotes)",
        ]
    );
}
