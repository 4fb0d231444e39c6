//! What a reimplementation is known to get wrong.

use serde_json::json;

use super::{bound, decide, event, trigger};
use crate::evaluate::Decision;
use crate::lookup::Known;

#[test]
fn trap_54_values_are_replaced_as_text_and_variables_are_defused() {
    assert_eq!(
        bound("$(body.a)", &[], r#"{"a":"say \"hi\"\n$(params.x) $(uid)"}"#),
        Ok("say \"hi\"\n$$(params.x) $$(uid)".to_owned())
    );
    assert_eq!(bound("$(body.a)", &[], r#"{"a":7}"#), Ok("7".to_owned()));
    let broken = bound("$(body.a)", &[], r#"{"a":{"b":"c"}}"#).unwrap_err();
    assert!(
        broken.starts_with("failed at template: template, object 1: with its values it is no longer JSON"),
        "{broken}"
    );
    // What an array of texts can do to a template is told.
    let tricky = r#"{"a":[",",":",","]}"#;
    let decisions = super::evaluate(
        &super::listener(json!({"triggers": [trigger("$(body.a)")]})),
        &[],
        &Known::complete(),
        &event(&[], tricky),
    );
    let warned = decisions[0]
        .warnings
        .iter()
        .any(|warning| warning.contains("can change an object's shape"));
    assert!(
        warned || matches!(decisions[0].decision, Decision::Failed { .. }),
        "{decisions:?}"
    );
}

#[test]
fn trap_55_headers_are_canonical_and_a_missing_path_fails_the_trigger_only() {
    let headers = [("x-github-EVENT", "push"), ("Accept", "a"), ("ACCEPT", "b")];
    assert_eq!(bound("$(header.X-GitHub-Event)", &headers, "{}"), Ok("push".to_owned()));
    assert_eq!(
        bound("$(header['x-github-event'])", &headers, "{}"),
        Ok("push".to_owned())
    );
    assert_eq!(bound("$(header.Accept)", &headers, "{}"), Ok("a,b".to_owned()));
    let missing = bound("$(body.nope)", &headers, "{}");
    assert_eq!(
        missing,
        Err("failed at bindings: parameter \"x\": $(body.nope): nope is not found".to_owned())
    );
    let both = decide(
        json!({"triggers": [trigger("$(body.nope)"), trigger("$(header.accept)")]}),
        &Known::complete(),
        &event(&headers, "{}"),
    );
    assert!(matches!(both[..], [Decision::Failed { .. }, Decision::Accepted { .. }]));
    let begins = bound("$(request.x)", &headers, "{}").unwrap_err();
    assert!(
        begins.ends_with("a path begins with body, header, extensions or context"),
        "{begins}"
    );
}

#[test]
fn trap_56_numbers_compare_by_value_and_overlays_nest() {
    let cel = json!({"name": "t", "template": {"spec": super::template(None)},
    "bindings": [{"name": "x", "value": "$(extensions.run.id) $(extensions.run.short) $(body.id)"}],
    "interceptors": [{"cel": {
        "filter": "body.n == 1 && body.id == 1234567890123",
        "overlays": [
            {"key": "run.id", "expression": "string(body.id)"},
            {"key": "run.short", "expression": "body.sha.truncate(3)"},
        ],
    }}]});
    let body = r#"{"n":1.0,"id":1234567890123,"sha":"abcdef"}"#;
    let decisions = decide(json!({"triggers": [cel]}), &Known::complete(), &event(&[], body));
    let [Decision::Accepted { objects }] = &decisions[..] else {
        panic!("{decisions:?}")
    };
    assert_eq!(objects[0]["data"]["x"], "1234567890123 abc 1234567890123");
}

#[test]
fn trap_57_sha1_alone_is_for_bitbucket() {
    let used = |name: &str| {
        json!({"triggers": [{"name": "t", "template": {"spec": super::template(Some("-"))}, "interceptors": [
            {"ref": {"name": name}, "params": [{"name": "secretRef", "value": {"secretName": "s", "secretKey": "k"}}]},
        ]}]})
    };
    let mut known = Known::complete();
    known.add_secret("ci", "s", "k", "key");
    // HMAC-SHA-1 of {} with "key".
    let event = event(&[("X-Hub-Signature", SHA1)], "{}");
    assert!(matches!(
        decide(used("bitbucket"), &known, &event)[..],
        [Decision::Accepted { .. }]
    ));
    assert!(matches!(
        decide(used("github"), &known, &event)[..],
        [Decision::Refused { .. }]
    ));
}

const SHA1: &str = "sha1=c9963b837183dc667106461b3de91d0885f539b3";

#[test]
fn trap_58_the_label_of_the_event_is_that_of_the_code() {
    let decisions = decide(
        json!({"triggers": [trigger("1")]}),
        &Known::complete(),
        &event(&[], "{}"),
    );
    let [Decision::Accepted { objects }] = &decisions[..] else {
        panic!("{decisions:?}")
    };
    let labels = &objects[0]["metadata"]["labels"];
    assert_eq!(labels["triggers.tekton.dev/triggers-eventid"], "e-1");
    assert_eq!(labels["triggers.tekton.dev/eventid"], serde_json::Value::Null);
}
