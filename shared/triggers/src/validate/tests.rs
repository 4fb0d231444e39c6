use serde_json::{Value, json};

use super::validate;

fn problems(kind: &str, name: &str, spec: &Value) -> Vec<String> {
    let whole = json!({
        "apiVersion": "triggers.tekton.dev/v1beta1", "kind": kind,
        "metadata": {"name": name, "namespace": "ci", "annotations": {"a": "b"}}, "spec": spec,
    });
    let object = serde_json::from_value(whole).unwrap();
    validate(&object).iter().map(ToString::to_string).collect()
}

fn told(kind: &str, spec: &Value, part: &str) {
    let problems = problems(kind, "x", spec);
    assert!(
        problems.iter().any(|problem| problem.contains(part)),
        "{spec}: {problems:?}"
    );
}

fn template() -> Value {
    json!({"ref": "t"})
}

#[test]
fn good_objects_have_no_problems() {
    let interceptors = json!([
        {"name": "check", "ref": {"name": "github", "kind": "ClusterInterceptor"}, "params": []},
        {"ref": {"name": "cel"}, "params": [{"name": "filter", "value": "body.a == 1"}]},
        {"cel": {"overlays": [{"key": "a.b", "expression": "body.a"}]}},
        {"webhook": {"objectRef": {"kind": "Service", "apiVersion": "v1", "name": "svc"}, "header": [{"name": "X-A", "value": "b"}]}},
    ]);
    let listener = json!({
        "serviceAccountName": "sa", "cloudEventURI": "http://sink",
        "namespaceSelector": {"matchNames": ["*"]},
        "labelSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]},
        "resources": {"kubernetesResource": {"serviceType": "NodePort"}},
        "triggers": [
            {"name": "a", "interceptors": interceptors, "template": template(),
             "bindings": [{"ref": "b"}, {"ref": "c", "kind": "ClusterTriggerBinding"}, {"name": "n", "value": ""}, {"spec": {"params": [{"name": "m", "value": "$(body.a)"}]}}]},
            {"triggerRef": "other"},
        ],
        "triggerGroups": [{"name": "g", "interceptors": interceptors, "triggerSelector": {"labelSelector": {"matchLabels": {"a": "b"}}}}],
    });
    assert_eq!(problems("EventListener", "x", &listener), Vec::<String>::new());
    let template = json!({
        "params": [{"name": "a.b-c_d", "description": "d", "default": ""}],
        "resourcetemplates": [{"apiVersion": "v1", "kind": "ConfigMap", "data": {"x": "$(tt.params.a.b-c_d) $(tt.params.$x) $(params.y)"}}],
    });
    assert_eq!(problems("TriggerTemplate", "x", &template), Vec::<String>::new());
    assert_eq!(problems("Secret", "x", &json!(1)), Vec::<String>::new());
}

#[test]
fn a_listener_needs_a_trigger_and_a_short_name() {
    told(
        "EventListener",
        &json!({}),
        "spec: has no trigger, expected triggers, triggerGroups",
    );
    let long = problems("EventListener", &"x".repeat(61), &json!({"labelSelector": {}}));
    assert!(
        long[0].contains("a name of 61 characters, expected at most 60"),
        "{long:?}"
    );
    assert_eq!(
        problems("EventListener", &"x".repeat(60), &json!({"labelSelector": {}})),
        Vec::<String>::new()
    );
    let annotated = json!({"apiVersion": "triggers.tekton.dev/v1beta1", "kind": "EventListener",
        "metadata": {"name": "x", "annotations": {"tidemill.dev/schedule": "soon"}}, "spec": {"labelSelector": {}}});
    let found = validate(&serde_json::from_value(annotated).unwrap());
    assert!(found[0].to_string().contains("has 1 fields"), "{found:?}");
    for (subject, is_good) in [
        ("release.>", true),
        ("cloudevent.*.pipelinerun.*.failed", true),
        ("release", false),
        ("object.>", false),
        ("release.>.x", false),
        ("release.a*.x", false),
        ("release..x", false),
        ("release.a b", false),
    ] {
        let annotated = json!({"apiVersion": "triggers.tekton.dev/v1beta1", "kind": "EventListener",
            "metadata": {"name": "x", "annotations": {"tidemill.dev/subject": subject}}, "spec": {"labelSelector": {}}});
        let found = validate(&serde_json::from_value(annotated).unwrap());
        assert_eq!(found.is_empty(), is_good, "{subject}: {found:?}");
    }
}

#[test]
fn faults_of_triggers_are_told_with_their_place() {
    let one = |trigger: Value| json!({"triggers": [trigger]});
    for (trigger, part) in [
        (
            json!({"name": "a"}),
            "spec.triggers[0]: makes nothing, expected template or triggerRef",
        ),
        (
            json!({"name": "-a", "template": template()}),
            "spec.triggers[0].name: \"-a\" cannot be a label's value",
        ),
        (
            json!({"triggerRef": "x", "template": template()}),
            "stands beside what it would replace",
        ),
        (
            json!({"template": {"ref": "t", "spec": {}}}),
            "template: has both ref and spec",
        ),
        (json!({"template": {}}), "template: names no template"),
        (
            json!({"template": template(), "bindings": [{"name": "a"}]}),
            "bindings[0].value: is missing",
        ),
        (
            json!({"template": template(), "bindings": [{"name": "a", "ref": "b"}]}),
            "has both ref and name",
        ),
        (json!({"template": template(), "bindings": [{}]}), "binds nothing"),
        (
            json!({"template": template(), "bindings": [{"ref": "b", "kind": "Binding"}]}),
            "is no kind of binding",
        ),
        (
            json!({"template": template(), "bindings": [{"name": "a", "value": "$(body..)"}]}),
            "$(body..): a name is missing",
        ),
        (
            json!({"template": template(), "bindings": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]}),
            "bindings[1].name: parameter \"a\" stands twice",
        ),
        (
            json!({"template": template(), "interceptors": [{}]}),
            "interceptors[0]: names no interceptor",
        ),
        (
            json!({"template": template(), "interceptors": [{"cel": {}, "github": {}}]}),
            "names several interceptors",
        ),
        (
            json!({"template": template(), "interceptors": [{"cel": {"filter": "a &&"}}]}),
            "interceptors[0].cel: filter: column",
        ),
        (
            json!({"template": template(), "interceptors": [{"webhook": {}}]}),
            "webhook: says no address",
        ),
        (
            json!({"template": template(), "interceptors": [{"webhook": {"url": "http://x", "header": [{"name": "x-a", "value": "1"}]}}]}),
            "expected \"X-A\"",
        ),
        (
            json!({"template": template(), "bindngs": []}),
            "unknown field \"bindngs\"",
        ),
        (
            json!({"template": template(), "bindings": [{"name": "a", "value": 5}]}),
            "found the number 5",
        ),
    ] {
        told("EventListener", &one(trigger), part);
    }
    told("Trigger", &json!({"triggerRef": "x"}), "stands in a Trigger");
    told(
        "EventListener",
        &json!({"triggerGroups": [{"name": "g"}]}),
        "triggerSelector: selects nothing",
    );
    told(
        "EventListener",
        &json!({"triggerGroups": [{"name": "g"}]}),
        "interceptors: is missing",
    );
    told(
        "EventListener",
        &json!({"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}),
        "is not an operator",
    );
}

#[test]
fn templates_declare_what_they_use() {
    let used = |params: Value, text: &str| json!({"params": params, "resourcetemplates": [{"apiVersion": "v1", "kind": "ConfigMap", "data": {"x": text}}]});
    told(
        "TriggerTemplate",
        &used(json!([{"name": "revision"}]), "$(tt.params.revison)"),
        "did you mean \"revision\"?",
    );
    told(
        "TriggerTemplate",
        &used(json!([{"name": "1a"}]), ""),
        "cannot be a parameter's name",
    );
    told(
        "TriggerTemplate",
        &used(json!([{"name": "a"}, {"name": "a"}]), ""),
        "params[1].name: parameter \"a\" stands twice",
    );
    told("TriggerTemplate", &json!({}), "resourcetemplates: is missing");
    told(
        "TriggerTemplate",
        &json!({"resourcetemplates": [{}]}),
        "resourcetemplates[0].kind: is missing",
    );
    told(
        "TriggerBinding",
        &json!({"params": [{"name": "", "value": "$({.a)"}]}),
        "params[0].value: $({.a): the brace",
    );
    told("ClusterInterceptor", &json!({}), "clientConfig: says no address");
}
