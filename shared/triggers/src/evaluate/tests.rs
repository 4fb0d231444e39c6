mod traps;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use tidemill_resources::Object;

use super::{Decision, evaluate};
use crate::event::{Event, Headers, Request};
use crate::kinds::{Listener, Trigger};
use crate::lookup::{Known, Need};

fn object(kind: &str, name: &str, spec: &Value) -> Object {
    let namespace = if kind.starts_with("Cluster") {
        Value::Null
    } else {
        json!("ci")
    };
    let metadata = json!({"name": name, "namespace": namespace, "labels": {"team": name}});
    let whole = json!({"apiVersion": "triggers.tekton.dev/v1beta1", "kind": kind, "metadata": metadata, "spec": spec});
    serde_json::from_value(whole).unwrap()
}

fn listener(spec: Value) -> Listener {
    Listener::read(&object("EventListener", "el", &spec)).unwrap()
}

fn event(headers: &[(&str, &str)], body: &str) -> Event {
    let request = Request {
        url: "/".to_owned(),
        headers: Headers::from_iter(headers.iter().copied()),
        body: body.as_bytes().to_vec(),
    };
    Event::read(&request, "e-1".to_owned(), Timestamp::UNIX_EPOCH, true).unwrap()
}

/// A template that makes a ConfigMap of one parameter.
fn template(default: Option<&str>) -> Value {
    json!({
        "params": [{"name": "x", "default": default}],
        "resourcetemplates": [{
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-"},
            "data": {"x": "$(tt.params.x)"},
        }],
    })
}

fn trigger(value: &str) -> Value {
    json!({"name": "t", "bindings": [{"name": "x", "value": value}], "template": {"spec": template(None)}})
}

fn decide(spec: Value, known: &Known, event: &Event) -> Vec<Decision> {
    let outcomes = evaluate(&listener(spec), &[], known, event);
    outcomes.into_iter().map(|outcome| outcome.decision).collect()
}

/// What the parameter became.
fn bound(value: &str, headers: &[(&str, &str)], body: &str) -> Result<String, String> {
    let decisions = decide(
        json!({"triggers": [trigger(value)]}),
        &Known::complete(),
        &event(headers, body),
    );
    match &decisions[..] {
        [Decision::Accepted { objects }] => Ok(objects[0]["data"]["x"].as_str().unwrap().to_owned()),
        [other] => Err(other.describe()),
        others => panic!("{others:?}"),
    }
}

#[test]
fn every_kind_of_binding_counts() {
    let mut known = Known::complete();
    known.add_object(object(
        "TriggerBinding",
        "one",
        &json!({"params": [{"name": "a", "value": "$(body.a)"}]}),
    ));
    known.add_object(object(
        "ClusterTriggerBinding",
        "two",
        &json!({"params": [{"name": "b", "value": "$(body.b)"}]}),
    ));
    known.add_object(object("TriggerTemplate", "all", &json!({
        "params": [{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"}, {"name": "e", "default": "fallback"}],
        "resourcetemplates": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {
            "all": "$(tt.params.a)$(tt.params.b)$(tt.params.c)$(tt.params.d)$(tt.params.e)"}}],
    })));
    let bindings = json!([
        {"ref": "one"}, {"ref": "two", "kind": "ClusterTriggerBinding"},
        {"spec": {"params": [{"name": "c", "value": "$(context.eventID)"}]}},
        {"name": "d", "value": "<$(extensions.k)>"},
        {"name": "e", "value": "$(body.nope)"},
    ]);
    let overlay = json!({"ref": {"name": "cel"}, "params": [{"name": "overlays", "value": [{"key": "k", "expression": "[1, 2]"}]}]});
    let spec = json!({"serviceAccountName": "own", "triggers": [
        {"name": "t", "interceptors": [overlay], "bindings": bindings, "template": {"ref": "all"}},
    ]});
    let outcomes = evaluate(
        &listener(spec.clone()),
        &[],
        &known,
        &event(&[], r#"{"a":1,"b":"two"}"#),
    );
    assert_eq!(outcomes[0].service_account, "own");
    let Decision::Accepted { objects } = &outcomes[0].decision else {
        panic!("{outcomes:?}")
    };
    assert_eq!(objects[0]["data"]["all"], "1twoe-1<[1,2]>fallback");
    // Everything is asked for in turn.
    let mut open = Known::default();
    let mut asked = Vec::new();
    loop {
        let outcomes = evaluate(&listener(spec.clone()), &[], &open, &event(&[], r#"{"a":1,"b":"two"}"#));
        let Some(need) = outcomes[0].need().cloned() else { break };
        asked.push(need.describe());
        let Need::Object { .. } = &need else { panic!("{need:?}") };
        open.add(need.clone(), crate::lookup::Lookups::look(&known, &need).unwrap());
    }
    assert_eq!(
        asked,
        [
            "TriggerTemplate ci/all",
            "TriggerBinding ci/one",
            "ClusterTriggerBinding two"
        ]
    );
}

#[test]
fn faults_stay_with_their_trigger() {
    let good = trigger("$(body.a)");
    let spec = json!({"triggers": [
        {"name": "twice", "bindings": [{"name": "x", "value": "1"}, {"name": "x", "value": "2"}], "template": {"spec": template(None)}},
        {"name": "lost", "bindings": [{"ref": "nope"}], "template": {"spec": template(None)}},
        {"name": "away", "template": {"ref": "nope"}},
        {"triggerRef": "nope"},
        {"name": "odd", "interceptors": [{"ref": {"name": "nope"}}], "template": {"spec": template(None)}},
        good,
    ]});
    let decisions = decide(spec, &Known::complete(), &event(&[], r#"{"a":1}"#));
    let told: Vec<String> = decisions.iter().map(Decision::describe).collect();
    assert_eq!(
        told,
        [
            "failed at bindings: the bindings have parameter \"x\" twice",
            "failed at bindings: there is no TriggerBinding ci/nope",
            "failed at template: there is no TriggerTemplate ci/nope",
            "failed at triggerRef: there is no Trigger ci/nope",
            "failed at nope: there is no ClusterInterceptor nope",
            "accepted, 1 objects",
        ]
    );
}

fn triggers() -> Vec<Trigger> {
    let make = |name: &str, namespace: &str| {
        let mut trigger = Trigger::read(&object("Trigger", name, &trigger("$(body.a)$(extensions.by)"))).unwrap();
        trigger.metadata.namespace = Some(namespace.to_owned());
        trigger
    };
    vec![make("red", "ci"), make("blue", "ci"), make("red", "other")]
}

fn names(spec: Value) -> Vec<String> {
    let spec = listener(spec);
    let outcomes = evaluate(&spec, &triggers(), &Known::complete(), &event(&[], r#"{"a":1}"#));
    outcomes
        .iter()
        .map(|outcome| format!("{}/{}", outcome.namespace, outcome.trigger))
        .collect()
}

#[test]
fn selectors_find_triggers() {
    let red = json!({"matchLabels": {"team": "red"}});
    let rule = |operator: &str| json!({"matchExpressions": [{"key": "team", "operator": operator, "values": ["red"]}]});
    for (spec, expected) in [
        (json!({"triggers": [trigger("1")]}), vec!["ci/t"]),
        (
            json!({"triggers": [trigger("1")], "labelSelector": red}),
            vec!["ci/t", "ci/red"],
        ),
        (json!({"labelSelector": {}}), vec!["ci/red", "ci/blue"]),
        (json!({"labelSelector": rule("NotIn")}), vec!["ci/blue"]),
        (
            json!({"labelSelector": rule("In"), "namespaceSelector": {"matchNames": ["*"]}}),
            vec!["ci/red", "other/red"],
        ),
        (
            json!({"namespaceSelector": {"matchNames": ["other"]}}),
            vec!["other/red"],
        ),
        (
            json!({"labelSelector": {"matchExpressions": [{"key": "nope", "operator": "DoesNotExist"}]}}),
            vec!["ci/red", "ci/blue"],
        ),
    ] {
        assert_eq!(names(spec.clone()), expected, "{spec}");
    }
    use crate::select::{Reach, reach};
    assert_eq!(reach(&listener(json!({}))), Reach::Nothing);
    assert_eq!(
        reach(&listener(json!({"labelSelector": {}}))),
        Reach::Namespaces(vec!["ci".to_owned()])
    );
    assert_eq!(
        reach(&listener(json!({"namespaceSelector": {"matchNames": ["*"]}}))),
        Reach::All
    );
}

#[test]
fn groups_share_their_interceptors() {
    let group = |filter: &str, team: &str| {
        json!({"triggerGroups": [{
            "name": "g",
            "interceptors": [{"name": "gate", "ref": {"name": "cel"}, "params": [
                {"name": "filter", "value": filter},
                {"name": "overlays", "value": [{"key": "by", "expression": "'group'"}]},
            ]}],
            "triggerSelector": {"labelSelector": {"matchLabels": {"team": team}}},
        }]})
    };
    let evaluated = |spec: Value| {
        evaluate(
            &listener(spec),
            &triggers(),
            &Known::complete(),
            &event(&[], r#"{"a":1}"#),
        )
    };
    let outcomes = evaluated(group("body.a == 1", "red"));
    let [one] = &outcomes[..] else { panic!("{outcomes:?}") };
    let Decision::Accepted { objects } = &one.decision else {
        panic!("{one:?}")
    };
    assert_eq!(objects[0]["data"]["x"], "1group");
    assert_eq!(
        evaluated(group("body.a == 2", "red"))[0].decision.describe(),
        "filtered by g/gate: body.a == 2 was false"
    );
    assert_eq!(
        evaluated(group("true", "green"))[0].decision.describe(),
        "filtered by g: its selector finds no trigger"
    );
}

#[test]
fn outcomes_are_kept_as_json() {
    let outcomes = evaluate(
        &listener(json!({"triggers": [trigger("$(body.a)"), trigger("$(body.b)")]})),
        &[],
        &Known::complete(),
        &event(&[], r#"{"a":1}"#),
    );
    let text = serde_json::to_string(&outcomes).unwrap();
    let read: Vec<super::TriggerOutcome> = serde_json::from_str(&text).unwrap();
    assert_eq!(read, outcomes);
    assert!(text.contains(r#""is":"failed""#), "{text}");
}

proptest! {
    /// Whatever comes in, every trigger comes to a decision.
    #[test]
    fn any_request_ends(
        body in prop_oneof!["\\PC{0,60}", "[{}\\[\\]\",:a1]{0,30}", "\\{\"a\":\"\\PC{0,20}\"\\}"],
        headers in prop::collection::vec(("[A-Za-z-]{1,12}", "\\PC{0,12}"), 0..4),
        value in prop_oneof!["\\PC{0,20}", "\\$\\(body(\\.a|\\[0\\]|\\.\\*)?\\)"],
        checked in any::<bool>(),
    ) {
        let request = Request { url: "/".to_owned(), headers: headers.into_iter().collect(), body: body.into_bytes() };
        if let Ok(event) = Event::read(&request, "e".to_owned(), Timestamp::UNIX_EPOCH, checked) {
            let _origin = event.origin();
            let outcomes = evaluate(&listener(json!({"triggers": [trigger(&value)]})), &[], &Known::complete(), &event);
            prop_assert_eq!(outcomes.len(), 1);
            prop_assert!(outcomes[0].need().is_none());
        }
    }
}
