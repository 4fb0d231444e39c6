//! Webhooks as the forges document them, signed as they sign.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use tidemill_triggers::{Decision, Event, Headers, Known, Listener, Request, evaluate, event_key};

const KEY: &str = "It's a Secret to Everybody";

fn listener(interceptors: &Value, bindings: &[(&str, &str)]) -> Listener {
    let names: Vec<Value> = bindings.iter().map(|(name, _)| json!({"name": name})).collect();
    let data: Value = bindings
        .iter()
        .map(|(name, _)| ((*name).to_owned(), json!(format!("$(tt.params.{name})"))))
        .collect();
    let bindings: Vec<Value> = bindings
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let object = json!({
        "apiVersion": "triggers.tekton.dev/v1beta1", "kind": "EventListener", "metadata": {"name": "el", "namespace": "ci"},
        "spec": {"triggers": [{"name": "t", "interceptors": interceptors, "bindings": bindings, "template": {"spec": {
            "params": names,
            "resourcetemplates": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data}],
        }}}]},
    });
    let object = serde_json::from_value(object).expect("an object");
    assert_eq!(tidemill_triggers::validate(&object), vec![]);
    Listener::read(&object).expect("a listener")
}

fn request(headers: &[(&str, &str)], body: &str) -> Request {
    Request {
        url: "/hook".to_owned(),
        headers: Headers::from_iter(headers.iter().copied()),
        body: body.as_bytes().to_vec(),
    }
}

fn decide(listener: &Listener, request: &Request) -> Decision {
    let mut known = Known::complete();
    known.add_secret("ci", "hook", "key", KEY);
    let event = Event::read(request, "e-1".to_owned(), Timestamp::UNIX_EPOCH, true).expect("an event");
    evaluate(listener, &[], &known, &event).remove(0).decision
}

/// What the parameters became.
fn made(listener: &Listener, request: &Request) -> Value {
    match decide(listener, request) {
        Decision::Accepted { objects } => objects[0]["data"].clone(),
        other => panic!("{}", other.describe()),
    }
}

fn sha256(body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("keys of any length");
    format!("sha256={}", hex::encode(mac.chain_update(body).finalize().into_bytes()))
}

fn secret() -> Value {
    json!({"name": "secretRef", "value": {"secretName": "hook", "secretKey": "key"}})
}

fn github_push() -> String {
    json!({
        "ref": "refs/heads/main", "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
        "after": "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5", "forced": false,
        "repository": {"id": 186_853_002, "full_name": "octo/hello", "clone_url": "https://github.example/octo/hello.git"},
        "pusher": {"name": "octo", "email": "octo@example.com"}, "sender": {"login": "octo", "id": 21_031_067},
        "commits": [{"id": "59b20b8d", "message": "Update README\n\n\"quoted\" $(params.x)", "added": [], "modified": ["README.md"], "removed": ["old.md"]}],
        "head_commit": {"id": "59b20b8d", "message": "Update README\n\n\"quoted\" $(params.x)"},
    })
    .to_string()
}

#[test]
fn a_push_at_github() {
    let github = json!({"ref": {"name": "github"}, "params": [
        secret(), {"name": "eventTypes", "value": ["push"]}, {"name": "addChangedFiles", "value": {"enabled": true}},
    ]});
    let cel = json!({"ref": {"name": "cel"}, "params": [
        {"name": "filter", "value": "extensions.changed_files.matches('\\\\.md(,|$)')"},
        {"name": "overlays", "value": [{"key": "branch", "expression": "body.ref.split('/')[2]"}]},
    ]});
    let listener = listener(
        &json!([github, cel]),
        &[
            ("sha", "$(body.after)"),
            ("branch", "$(extensions.branch)"),
            ("message", "$(body.commits[0].message)"),
            ("files", "$(extensions.changed_files)"),
            ("id", "$(body.repository.id)"),
            ("hook", "$(header.X-GitHub-Hook-ID)"),
        ],
    );
    let body = github_push();
    let signature = sha256(&body);
    let mut headers = vec![
        ("Content-Type", "application/json"),
        ("User-Agent", "GitHub-Hookshot/044aadd"),
        ("X-GitHub-Hook-ID", "292430182"),
        ("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("X-GitHub-Event", "push"),
        ("X-Hub-Signature-256", signature.as_str()),
    ];
    let first = request(&headers, &body);
    assert_eq!(
        made(&listener, &first),
        json!({
            "sha": "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5", "branch": "main", "files": "README.md,old.md",
            "message": "Update README\n\n\"quoted\" $$(params.x)", "id": "186853002", "hook": "292430182",
        })
    );
    assert_eq!(
        event_key("u", &first, "1"),
        event_key("u", &request(&headers, &body), "2"),
        "a redelivery"
    );
    let forged = request(&headers, &body.replace("main", "evil"));
    assert_eq!(
        decide(&listener, &forged).describe(),
        "refused by github: X-Hub-Signature-256 does not match the body"
    );
    assert_ne!(event_key("u", &first, "1"), event_key("u", &forged, "1"));
    headers[4].1 = "ping";
    let told = decide(&listener, &request(&headers, &body)).describe();
    assert_eq!(told, "filtered by github: event \"ping\" is none of push");
}

#[test]
fn a_merge_request_at_gitlab() {
    let gitlab = json!({"ref": {"name": "gitlab"}, "params": [secret(), {"name": "eventTypes", "value": ["Merge Request Hook"]}]});
    let cel = json!({"name": "ready", "ref": {"name": "cel"}, "params": [{"name": "filter", "value":
        "body.object_attributes.action in ['open', 'reopen', 'update'] && !body.object_attributes.draft \
         && body.labels.exists(l, l.title == 'deploy')"}]});
    let listener = listener(
        &json!([gitlab, cel]),
        &[
            ("iid", "!$(body.object_attributes.iid)"),
            ("labels", "$(body.labels[*].title)"),
            ("first", "$(body.labels[?(@.id==206)].title)"),
        ],
    );
    let headers = [
        ("X-Gitlab-Event", "Merge Request Hook"),
        ("X-Gitlab-Token", KEY),
        ("X-Gitlab-Event-UUID", "13792a34-cac6-4fda-95a8-c58e00a3954e"),
    ];
    let mut body = json!({
        "object_kind": "merge_request", "event_type": "merge_request",
        "project": {"id": 1, "path_with_namespace": "gitlabhq/gitlab-test"},
        "object_attributes": {"id": 99, "iid": 1, "source_branch": "ms-viewport", "action": "open", "draft": false,
            "last_commit": {"id": "da1560886d4f094c3e6c9ef40349f7d38b5d27d7"}},
        "labels": [{"id": 206, "title": "API"}, {"id": 207, "title": "deploy"}],
    });
    let open = request(&headers, &body.to_string());
    let data = decide(&listener, &open);
    // A list of texts holds quotes: it does not fit into the quotes of a text.
    assert!(
        matches!(data, Decision::Failed { ref at, .. } if at == "template"),
        "{}",
        data.describe()
    );
    let event = Event::read(&open, "e".to_owned(), Timestamp::UNIX_EPOCH, true).expect("an event");
    assert_eq!(event.origin().summary(), "Merge Request Hook ms-viewport da15608");
    assert_ne!(
        event_key("u", &open, "1"),
        event_key("u", &open, "2"),
        "no delivery id: each is new"
    );
    body["object_attributes"]["draft"] = json!(true);
    let told = decide(&listener, &request(&headers, &body.to_string())).describe();
    assert!(
        told.starts_with("filtered by ready: body.object_attributes.action in"),
        "{told}"
    );
    assert!(told.ends_with("was false"), "{told}");
    body["labels"] = Value::Null;
    body["object_attributes"]["draft"] = json!(false);
    let told = decide(&listener, &request(&headers, &body.to_string())).describe();
    assert!(told.contains("cannot be told"), "{told}");
}

#[test]
fn a_push_at_bitbucket() {
    let bitbucket = json!({"ref": {"name": "bitbucket"}, "params": [secret(), {"name": "eventTypes", "value": ["repo:refs_changed"]}]});
    let listener = listener(
        &json!([bitbucket]),
        &[
            ("branch", "$(body.changes[0].ref.displayId)"),
            ("sha", "$(body.changes[-1:].toHash)"),
        ],
    );
    let body = json!({
        "eventKey": "repo:refs_changed", "date": "2026-09-19T09:58:11+1000", "actor": {"name": "admin", "id": 1},
        "repository": {"slug": "repository", "id": 84, "project": {"key": "PROJ"}},
        "changes": [{"ref": {"id": "refs/heads/master", "displayId": "master", "type": "BRANCH"},
            "fromHash": "ecddabb624f6f5ba43816f5926e580a5f680a932", "toHash": "178864a7d521b6f5e720b386b2c2b0ef8563e0dc", "type": "UPDATE"}],
    })
    .to_string();
    let signature = sha256(&body);
    let headers = [
        ("X-Event-Key", "repo:refs_changed"),
        ("X-Request-Id", "7f1"),
        ("X-Hub-Signature", signature.as_str()),
    ];
    let push = request(&headers, &body);
    assert_eq!(
        made(&listener, &push),
        json!({"branch": "master", "sha": "178864a7d521b6f5e720b386b2c2b0ef8563e0dc"})
    );
    let unsigned = request(&headers[..2], &body);
    assert_eq!(
        decide(&listener, &unsigned).describe(),
        "refused by bitbucket: there is no header X-Hub-Signature"
    );
}

#[test]
fn a_command_in_slack() {
    let slack =
        json!({"ref": {"name": "slack"}, "params": [{"name": "requestedFields", "value": ["command", "text"]}]});
    let cel = json!({"cel": {"overlays": [{"key": "what", "expression": "extensions.text[0].lowerAscii()"}]}});
    let listener = listener(
        &json!([slack, cel]),
        &[("what", "$(extensions.command[0]) $(extensions.what)")],
    );
    let body = "token=gIkuvaNzQIHg97ATvDxqgjtO&team_id=T0001&command=%2Fdeploy&text=Staging+NOW";
    let headers = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("X-Slack-Signature", "v0=a2114d57"),
    ];
    assert_eq!(
        made(&listener, &request(&headers, body)),
        json!({"what": "/deploy staging now"})
    );
}
