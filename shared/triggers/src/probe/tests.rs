use serde_json::{Value, json};

use super::{Danger, Risk, probe, unverified};
use crate::event::{Headers, Request};
use crate::kinds::Listener;
use crate::lookup::Known;

fn risks(bindings: &Value, spec: &Value, body: &Value) -> Vec<Risk> {
    let names: Vec<Value> = bindings
        .as_array()
        .unwrap()
        .iter()
        .map(|one| json!({"name": one["name"]}))
        .collect();
    let object = json!({
        "apiVersion": "triggers.tekton.dev/v1beta1", "kind": "EventListener",
        "metadata": {"name": "el", "namespace": "ci"},
        "spec": {"triggers": [{
            "name": "push", "bindings": bindings,
            "interceptors": [{"ref": {"name": "cel"}, "params": [
                {"name": "filter", "value": "body.ref == 'refs/heads/main'"},
            ]}],
            "template": {"spec": {"params": names, "resourcetemplates": [
                {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": {"generateName": "x-"}, "spec": spec},
            ]}},
        }]},
    });
    let listener = Listener::read(&serde_json::from_value(object).unwrap()).unwrap();
    let request = Request {
        url: "/ci/el".to_owned(),
        headers: Headers::default(),
        body: body.to_string().into_bytes(),
    };
    probe(&listener, &[], &Known::complete(), &request)
}

fn payload() -> Value {
    json!({"ref": "refs/heads/main", "sha": "3f2c", "unused": "x", "commits": [{"message": "Fix it", "id": "3f2c"}]})
}

#[test]
fn a_value_that_may_be_an_object_is_told() {
    let bindings = json!([{"name": "sha", "value": "$(body.sha)"}]);
    let found = risks(
        &bindings,
        &json!({"params": [{"name": "sha", "value": "$(tt.params.sha)"}]}),
        &payload(),
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].value, "body.sha");
    assert!(
        matches!(&found[0].danger, Danger::Shape { kind, at } if kind == "TaskRun" && at == "spec.params[0]"),
        "{found:?}"
    );
    assert!(
        found[0]
            .describe()
            .starts_with("push: body.sha can change the shape of the TaskRun (at spec.params[0])")
    );
}

#[test]
fn a_text_made_by_an_expression_is_safe_as_a_parameter() {
    // What the filter pins cannot be another value: `ref` is used and no risk.
    let bindings = json!([{"name": "ref", "value": "$(body.ref)"}, {"name": "fixed", "value": "plain"}]);
    let spec = json!({"params": [{"name": "ref", "value": "$(tt.params.ref) $(tt.params.fixed)"}]});
    assert_eq!(risks(&bindings, &spec, &payload()), []);
}

#[test]
fn a_path_over_a_list_lets_two_texts_change_the_shape() {
    let bindings = json!([{"name": "all", "value": "$(body.commits[*].message)"}]);
    let found = risks(
        &bindings,
        &json!({"params": [{"name": "all", "value": "$(tt.params.all)"}]}),
        &payload(),
    );
    assert!(
        found.iter().any(|risk| risk.value == "body.commits[0].message"),
        "{found:?}"
    );
}

#[test]
fn a_text_in_a_script_is_told() {
    let bindings = json!([{"name": "message", "value": "$(body.commits[0].message)"}]);
    let spec = json!({"taskSpec": {"steps": [{"image": "busybox", "script": "echo $(tt.params.message)"}]}});
    let found = risks(&bindings, &spec, &payload());
    let script = found
        .iter()
        .find(|risk| matches!(risk.danger, Danger::Script { .. }))
        .unwrap();
    assert_eq!(script.value, "body.commits[0].message");
    let said = script.describe();
    assert!(
        said.contains("at spec.taskSpec.steps[0].script") && said.contains("environment variable"),
        "{said}"
    );
}

#[test]
fn what_proves_the_sender_is_taken_out() {
    let secret = json!({"secretName": "s", "secretKey": "k"});
    for interceptor in [
        json!({"ref": {"name": "gitlab"}, "params": [{"name": "secretRef", "value": secret}]}),
        json!({"github": {"secretRef": secret, "eventTypes": ["push"]}}),
    ] {
        let mut interceptor = serde_json::from_value(interceptor).unwrap();
        assert_eq!(unverified(&mut interceptor), Some(("s".to_owned(), "k".to_owned())));
        assert_eq!(unverified(&mut interceptor), None);
        assert!(!interceptor.parameters().contains_key("secretRef"));
    }
}
