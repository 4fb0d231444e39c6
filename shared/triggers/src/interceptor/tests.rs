use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::{Extensions, Passage, Stop};
use crate::event::{Event, Headers, Request};
use crate::kinds::InterceptorUse;
use crate::lookup::{Found, Known, Need, Reply};

const BODY: &str = r#"{"ref":"refs/heads/main","commits":[{"added":["a","b"],"modified":["c"],"removed":[]},{"added":["b"],"removed":["d"]}]}"#;

fn sign<M: Mac + KeyInit>(name: &str, body: &[u8]) -> String {
    let mac = <M as KeyInit>::new_from_slice(b"key").unwrap().chain_update(body);
    format!("{name}={}", hex::encode(mac.finalize().into_bytes()))
}

fn event(headers: &[(&str, &str)], body: &str) -> Event {
    let request = Request {
        url: "/".to_owned(),
        headers: Headers::from_iter(headers.iter().copied()),
        body: body.as_bytes().to_vec(),
    };
    Event::read(&request, "id".to_owned(), Timestamp::UNIX_EPOCH, false).unwrap()
}

fn known() -> Known {
    let mut known = Known::complete();
    known.add_secret("ci", "hook", "token", "key");
    known.add_secret("ci", "hook", "empty", "");
    known
}

fn pass(interceptor: Value, event: &Event, known: &Known) -> Result<(Event, Extensions), Stop> {
    let interceptor: InterceptorUse = serde_json::from_value(interceptor).unwrap();
    let mut passage = Passage {
        event: std::borrow::Cow::Borrowed(event),
        extensions: serde_json::from_value(json!({"old": 1})).unwrap(),
    };
    passage.pass(&interceptor, "ci", "t", known)?;
    Ok((passage.event.into_owned(), passage.extensions))
}

fn with(name: &str, params: &Value) -> Value {
    let params: Vec<Value> = params
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    json!({"ref": {"name": name}, "params": params})
}

fn secret() -> Value {
    json!({"secretRef": {"secretName": "hook", "secretKey": "token"}})
}

fn refused(result: Result<(Event, Extensions), Stop>) -> String {
    match result {
        Err(Stop::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn gitlab_compares_its_token() {
    let ask = |headers: &[(&str, &str)]| pass(with("gitlab", &secret()), &event(headers, BODY), &known());
    assert!(ask(&[("X-GITLAB-TOKEN", "key")]).is_ok());
    assert_eq!(
        refused(ask(&[("X-Gitlab-Token", "kez")])),
        "X-Gitlab-Token does not match Secret hook/token"
    );
    assert_eq!(
        refused(ask(&[("X-Gitlab-Token", "key2")])),
        "X-Gitlab-Token does not match Secret hook/token"
    );
    assert_eq!(refused(ask(&[])), "there is no header X-Gitlab-Token");
    let only = with("gitlab", &json!({"eventTypes": ["Push Hook", "Tag Push Hook"]}));
    let filtered = pass(only.clone(), &event(&[("X-Gitlab-Event", "Note Hook")], BODY), &known());
    let told = r#"event "Note Hook" is none of Push Hook, Tag Push Hook"#;
    assert_eq!(filtered.unwrap_err(), Stop::Filtered(told.to_owned()));
    assert!(pass(only, &event(&[("X-Gitlab-Event", "Push Hook")], BODY), &known()).is_ok());
    // The form of v1alpha1.
    let inline = json!({"gitlab": secret()});
    assert!(pass(inline, &event(&[("X-Gitlab-Token", "key")], BODY), &known()).is_ok());
}

#[test]
fn secrets_that_are_missing_or_empty_prove_nothing() {
    for (secret, part) in [
        (
            json!({"secretName": "hook", "secretKey": "nope"}),
            "there is no key \"nope\" of Secret ci/hook",
        ),
        (json!({"secretName": "hook", "secretKey": "empty"}), "is empty"),
        (json!({"secretName": "hook"}), "needs secretName and secretKey"),
    ] {
        let used = with("gitlab", &json!({"secretRef": secret}));
        match pass(used, &event(&[("X-Gitlab-Token", "")], BODY), &known()) {
            Err(Stop::Failed(why)) => assert!(why.contains(part), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    let unknown = pass(with("gitlab", &secret()), &event(&[], BODY), &Known::default());
    assert!(matches!(unknown, Err(Stop::Pending(Need::Secret { .. }))));
}

#[test]
fn github_takes_sha256_only() {
    let good = sign::<Hmac<Sha256>>("sha256", BODY.as_bytes());
    let old = sign::<Hmac<Sha1>>("sha1", BODY.as_bytes());
    let ask = |headers: &[(&str, &str)]| pass(with("github", &secret()), &event(headers, BODY), &known());
    assert!(ask(&[("X-Hub-Signature-256", &good)]).is_ok());
    assert!(refused(ask(&[("X-Hub-Signature", &old)])).contains("X-Hub-Signature with sha1 is not taken"));
    assert!(refused(ask(&[("X-Hub-Signature-256", &old)])).contains("none of the algorithms sha256"));
    assert!(refused(ask(&[("X-Hub-Signature-256", "sha256=zz")])).contains("not hexadecimal"));
    assert!(refused(ask(&[("X-Hub-Signature-256", "sha256=")])).contains("does not match"));
    let foreign = sign::<Hmac<Sha256>>("sha256", b"{}");
    assert!(refused(ask(&[("X-Hub-Signature-256", &foreign)])).contains("does not match the body"));
    let form = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("X-Hub-Signature-256", good.as_str()),
    ];
    assert!(matches!(ask(&form), Err(Stop::Failed(why)) if why.contains("form")));
}

#[test]
fn github_adds_the_files_of_a_push() {
    let files = with("github", &json!({"addChangedFiles": {"enabled": true}}));
    let (_, added) = pass(files.clone(), &event(&[("X-GitHub-Event", "push")], BODY), &known()).unwrap();
    assert_eq!(Value::Object(added), json!({"old": 1, "changed_files": "a,b,c,d"}));
    let request = pass(
        files.clone(),
        &event(&[("X-GitHub-Event", "pull_request")], BODY),
        &known(),
    );
    assert!(matches!(request, Err(Stop::Failed(why)) if why.contains("needs GitHub's API")));
    assert!(pass(files, &event(&[("X-GitHub-Event", "ping")], BODY), &known()).is_ok());
    let owners = with(
        "github",
        &json!({"githubOwners": {"enabled": true, "checkType": "all"}}),
    );
    let comment = pass(owners, &event(&[("X-GitHub-Event", "issue_comment")], BODY), &known());
    assert!(matches!(comment, Err(Stop::Failed(why)) if why.contains("needs GitHub's API")));
}

#[test]
fn bitbucket_takes_three_algorithms() {
    let ask = |signature: &str| {
        let headers = [("X-Hub-Signature", signature), ("X-Event-Key", "repo:push")];
        pass(with("bitbucket", &secret()), &event(&headers, BODY), &known())
    };
    for good in [
        sign::<Hmac<Sha1>>("sha1", BODY.as_bytes()),
        sign::<Hmac<Sha256>>("sha256", BODY.as_bytes()),
        sign::<Hmac<Sha512>>("sha512", BODY.as_bytes()),
    ] {
        assert!(ask(&good).is_ok(), "{good}");
        assert!(refused(ask(&format!("{good}00"))).contains("does not match"));
    }
    assert!(refused(ask("md5=00")).contains("none of the algorithms"));
    assert!(refused(ask("nonsense")).contains("not written"));
}

#[test]
fn slack_hands_fields_on() {
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let slack = with("slack", &json!({"requestedFields": ["text", "user"]}));
    let signed = [form, ("X-Slack-Signature", "v0=x")];
    let (_, added) = pass(slack.clone(), &event(&signed, "text=deploy+it&user=me"), &known()).unwrap();
    assert_eq!(
        Value::Object(added),
        json!({"old": 1, "text": ["deploy it"], "user": ["me"]})
    );
    let missing = pass(slack.clone(), &event(&signed, "text=x"), &known());
    assert_eq!(
        missing.unwrap_err(),
        Stop::Filtered("the form has no field \"user\"".to_owned())
    );
    assert!(matches!(
        pass(slack, &event(&[form], "text=x&user=y"), &known()),
        Err(Stop::Refused(_))
    ));
}

#[test]
fn others_are_asked_by_the_caller() {
    let mut known = known();
    known.add_object(serde_json::from_value(json!({
        "apiVersion": "triggers.tekton.dev/v1alpha1", "kind": "ClusterInterceptor", "metadata": {"name": "mine"},
        "spec": {"clientConfig": {"service": {"name": "svc", "namespace": "tools", "path": "/check", "port": 8080}}},
    })).unwrap());
    let mut incomplete = Known::default();
    incomplete.add_object(
        serde_json::from_value(json!({
            "apiVersion": "triggers.tekton.dev/v1alpha1", "kind": "ClusterInterceptor", "metadata": {"name": "mine"},
            "spec": {"clientConfig": {"url": "http://svc.tools.svc:8080/check"}},
        }))
        .unwrap(),
    );
    let used = with("mine", &json!({"level": 3}));
    let event = event(&[("X-A", "1")], BODY);
    let Err(Stop::Pending(need)) = pass(used.clone(), &event, &incomplete) else {
        panic!("not asked")
    };
    let Need::Call(call) = &need else { panic!("{need:?}") };
    assert_eq!(call.url, "http://svc.tools.svc:8080/check");
    let sent: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(sent["body"], BODY);
    assert_eq!(sent["header"], json!({"X-A": ["1"]}));
    assert_eq!(sent["interceptor_params"], json!({"level": 3}));
    assert_eq!(sent["extensions"], json!({"old": 1}));
    assert_eq!(sent["context"]["trigger_id"], "namespaces/ci/triggers/t");
    let mut answer = |body: Value| {
        known.add(
            need.clone(),
            Found::Reply(Reply {
                status: 200,
                headers: Headers::default(),
                body: body.to_string().into_bytes(),
            }),
        );
        pass(used.clone(), &event, &known)
    };
    let (_, added) = answer(json!({"continue": true, "extensions": {"old": 2, "new": 3}})).unwrap();
    assert_eq!(Value::Object(added), json!({"old": 2, "new": 3}));
    let stopped = answer(json!({"continue": false, "status": {"code": 9, "message": "too late"}}));
    assert_eq!(stopped.unwrap_err(), Stop::Filtered("too late".to_owned()));
}

#[test]
fn a_webhook_replaces_the_event() {
    let used = json!({"webhook": {
        "objectRef": {"kind": "Service", "apiVersion": "v1", "name": "old"},
        "header": [{"name": "X-List", "value": ["a", "b"]}, {"name": "X-One", "value": "c"}],
    }});
    let event = event(&[("X-A", "1")], r#"{"a":1}"#);
    let Err(Stop::Pending(need)) = pass(used.clone(), &event, &Known::default()) else {
        panic!("not asked")
    };
    let Need::Call(call) = &need else { panic!("{need:?}") };
    assert_eq!(call.url, "http://old.ci.svc/");
    let sent = [
        "X-A: 1",
        "Eventlistener-Request-Url: /",
        "X-List: a",
        "X-List: b",
        "X-One: c",
    ];
    let headers: Vec<String> = call
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    assert_eq!(headers, sent);
    assert_eq!(
        serde_json::from_slice::<Value>(&call.body).unwrap(),
        json!({"a": 1, "extensions": {"old": 1}})
    );
    let mut known = Known::default();
    let mut reply = Reply {
        status: 202,
        headers: Headers::from_iter([("X-B", "2")]),
        body: br#"{"b":2}"#.to_vec(),
    };
    known.add(need.clone(), Found::Reply(reply.clone()));
    let (replaced, _) = pass(used.clone(), &event, &known).unwrap();
    assert_eq!(replaced.payload(), Some(&json!({"b": 2})));
    assert_eq!(
        (replaced.headers.first("X-A"), replaced.headers.first("x-b")),
        (None, Some("2"))
    );
    reply.status = 403;
    known.add(need, Found::Reply(reply));
    assert_eq!(
        pass(used, &event, &known).unwrap_err(),
        Stop::Filtered("it answered 403".to_owned())
    );
}
