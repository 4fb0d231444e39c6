use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Firing, Used};
use crate::bind::Values;
use crate::interceptor::Stop;

fn make_with(template: &Value, values: &[(&str, &str)], old: bool) -> Result<(Value, Vec<String>), Stop> {
    let spec = serde_json::from_value(json!({"resourcetemplates": [template]})).unwrap();
    let used = Used::new(spec, old.then_some("true"));
    let values: Values = values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let firing = Firing {
        listener: "el",
        trigger: "push",
        namespace: "ci",
        event_id: "e-1",
        uid: "u-1",
    };
    used.make(&values, &firing)
        .map(|(mut objects, warnings)| (objects.remove(0), warnings))
}

fn object(spec: Value) -> Value {
    json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"generateName": "run-"}, "spec": spec})
}

fn spec(spec: Value, values: &[(&str, &str)]) -> (Value, Vec<String>) {
    let (made, warnings) = make_with(&object(spec), values, false).unwrap();
    (made["spec"].clone(), warnings)
}

#[test]
fn made_objects_know_where_they_come_from() {
    let (made, warnings) = make_with(&object(json!({"a": "$(tt.params.x)-$(uid)"})), &[("x", "1")], false).unwrap();
    let expected = json!({
        "apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
        "metadata": {"generateName": "run-", "namespace": "ci", "labels": {
            "triggers.tekton.dev/eventlistener": "el",
            "triggers.tekton.dev/trigger": "push",
            "triggers.tekton.dev/triggers-eventid": "e-1",
        }},
        "spec": {"a": "1-u-1"},
    });
    assert_eq!((made, warnings), (expected, vec![]));
    let named = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x", "labels": {"mine": "1"}}});
    let (made, _) = make_with(&named, &[], false).unwrap();
    assert_eq!(made["metadata"]["namespace"], Value::Null);
    assert_eq!(made["metadata"]["labels"]["mine"], "1");
    let elsewhere = json!({"apiVersion": "example.com/v1", "kind": "Odd", "metadata": {"namespace": "there"}});
    assert_eq!(
        make_with(&elsewhere, &[], false).unwrap().0["metadata"]["namespace"],
        "there"
    );
}

#[test]
fn replacement_is_textual_and_in_one_pass() {
    let (made, warnings) = spec(json!({"a": "$(tt.params.x)"}), &[("x", r#"say \"hi\"\n"#)]);
    assert_eq!((made, warnings), (json!({"a": "say \"hi\"\n"}), vec![]));
    let (made, _) = spec(
        json!({"$(tt.params.x)": "$(params.x) $(foo) $$(tt.params.x)"}),
        &[("x", "k")],
    );
    assert_eq!(made, json!({"k": "$(params.x) $(foo) $k"}));
    let (made, warnings) = spec(
        json!({"a": "$(tt.params.x)"}),
        &[("x", "$$(tt.params.y) $$(uid)"), ("y", "secret")],
    );
    assert_eq!((made, warnings), (json!({"a": "$$(tt.params.y) $$(uid)"}), vec![]));
    let (made, warnings) = spec(json!({"a": "$(tt.params.nope)"}), &[]);
    assert_eq!(made, json!({"a": "$(tt.params.nope)"}));
    assert_eq!(warnings, ["object 1: parameter \"nope\" has no value"]);
}

#[test]
fn a_value_that_changes_the_shape_is_told() {
    let template = json!({"sa": "$(tt.params.x)", "b": ["1"]});
    let (made, warnings) = spec(template.clone(), &[("x", r#"me","evil":"yes"#)]);
    assert_eq!(made, json!({"sa": "me", "evil": "yes", "b": ["1"]}));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("value of \"x\" holds quotes"), "{warnings:?}");
    assert_eq!(warnings[1], "object 1: a value changed its shape at spec");
    let (_, warnings) = spec(template.clone(), &[("x", r#"me","b":"no"#)]);
    assert_eq!(warnings[1], "object 1: a value changed its shape at spec.b");
    let broken = make_with(&object(template), &[("x", r#"{"a":"b"}"#)], false);
    assert!(matches!(broken, Err(Stop::Failed(why)) if why.contains("no longer JSON")));
}

#[test]
fn the_old_escape_puts_an_object_into_a_text() {
    let template = object(json!({"a": "$(tt.params.x)"}));
    let (made, _) = make_with(&template, &[("x", r#"{"a":["b"]}"#)], true).unwrap();
    assert_eq!(made["spec"]["a"], r#"{"a":["b"]}"#);
}

#[test]
fn what_is_no_object_fails() {
    for (template, part) in [
        (json!("text"), "it is no object"),
        (json!({"kind": "Pod"}), "no apiVersion or no kind"),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": "x"}),
            "its metadata is no object",
        ),
    ] {
        let failed = make_with(&template, &[], false);
        assert!(
            matches!(&failed, Err(Stop::Failed(why)) if why.contains(part)),
            "{failed:?}"
        );
    }
    let large = "x".repeat(1 << 20);
    let template = object(json!({"a": "$(tt.params.x)".repeat(4)}));
    let failed = make_with(&template, &[("x", &large)], false);
    assert!(matches!(failed, Err(Stop::Failed(why)) if why.contains("bytes")));
}

proptest! {
    /// A text that is escaped as bindings do never changes an object's shape.
    #[test]
    fn texts_out_of_events_stay_texts(value in "\\PC{0,60}|[\"\\\\$(){}\\[\\],:\n\t]{0,30}") {
        let quoted = Value::from(value.clone()).to_string();
        let escaped = quoted[1..quoted.len() - 1].replace("$(", "$$(");
        let (made, warnings) = spec(json!({"a": "<$(tt.params.x)>", "b": 1}), &[("x", &escaped)]);
        let expected = value.replace("$(", "$$(");
        prop_assert_eq!(made, json!({"a": format!("<{expected}>"), "b": 1}));
        prop_assert_eq!(warnings, Vec::<String>::new());
    }

    /// No value makes a template panic.
    #[test]
    fn any_value_ends(value in "\\PC{0,60}|[\"\\\\$(){}\\[\\],:a]{0,30}", old in any::<bool>()) {
        let template = object(json!({"$(tt.params.x)": ["$(tt.params.x)$(uid)$(tt.params."]}));
        let _ignored = make_with(&template, &[("x", &value)], old).is_ok();
    }
}
