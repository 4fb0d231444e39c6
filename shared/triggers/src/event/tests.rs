use jiff::Timestamp;
use serde_json::json;

use super::{Event, Headers, Request, canonical, is_credential, is_signature};

fn request(kind: &str, body: &[u8]) -> Request {
    Request {
        url: "/".to_owned(),
        headers: Headers::from_iter([("content-type", kind)]),
        body: body.to_vec(),
    }
}

fn read(request: &Request, checked: bool) -> Result<Event, String> {
    Event::read(request, "id".to_owned(), Timestamp::UNIX_EPOCH, checked).map_err(|error| error.to_string())
}

#[test]
fn a_body_is_a_json_object_unless_that_is_not_asked() {
    for (body, told) in [
        ("[1]", "the body is a list, expected a JSON object"),
        ("", "the body is not JSON: it ends too early"),
        ("{\"a\":", "the body is not JSON: it ends too early"),
        ("nope", "the body is not JSON: fault in line 1, column 2"),
    ] {
        assert_eq!(
            read(&request("application/json", body.as_bytes()), true).unwrap_err(),
            told
        );
        assert!(
            read(&request("application/json", body.as_bytes()), false).is_ok(),
            "{body}"
        );
    }
    let event = read(&request("application/json", b"{\"a\":1}"), true).unwrap();
    assert_eq!(event.payload(), Some(&json!({"a": 1})));
    assert_eq!(read(&request("", b"nope"), false).unwrap().payload(), None);
    let deep = "[".repeat(5000);
    assert!(read(&request("", deep.as_bytes()), true).is_err());
}

#[test]
fn a_form_becomes_lists_of_texts() {
    let form = request(
        "Application/X-WWW-form-urlencoded; charset=utf-8",
        b"text=hello+world&to=a&to=b%26c&empty=",
    );
    let event = read(&form, true).unwrap();
    let expected = json!({"text": ["hello world"], "to": ["a", "b&c"], "empty": [""]});
    assert_eq!(event.payload(), Some(&expected));
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&event.body).unwrap(),
        expected
    );
}

#[test]
fn headers_are_canonical_and_keep_every_value() {
    for (given, expected) in [
        ("x-gitlab-EVENT", "X-Gitlab-Event"),
        ("X-GitHub-Event", "X-Github-Event"),
        ("etag", "Etag"),
        ("a b", "a b"),
        ("über", "über"),
        ("", ""),
    ] {
        assert_eq!(canonical(given), expected);
    }
    let headers = Headers::from_iter([("x-A", "1"), ("X-a", "2")]);
    assert_eq!(
        headers.iter().collect::<Vec<_>>(),
        [("X-A", ["1".to_owned(), "2".to_owned()].as_slice())]
    );
    let read: Headers = serde_json::from_value(json!({"x-a": ["1"], "X-A": ["2"]})).unwrap();
    assert_eq!(read.first("X-A").is_some(), read.first("x-a").is_some());
}

#[test]
fn credentials_are_sealed() {
    for name in ["Authorization", "cookie", "X-Gitlab-Token", "X-My-Secret", "X-API-KEY"] {
        assert!(is_credential(name) && is_signature(name), "{name}");
    }
    for name in ["X-Hub-Signature-256", "X-Slack-Signature"] {
        assert!(!is_credential(name) && is_signature(name), "{name}");
    }
    assert!(!is_signature("X-Gitlab-Event"));
    let headers = Headers::from_iter([("X-Gitlab-Token", "1234567"), ("X-Gitlab-Event", "Push Hook")]);
    let sealed = headers.sealed(|value| format!("<{} bytes>", value.len()));
    assert_eq!(sealed.first("X-Gitlab-Token"), Some("<7 bytes>"));
    assert_eq!(sealed.first("X-Gitlab-Event"), Some("Push Hook"));
}

#[test]
fn people_see_what_it_is_about() {
    let mut push = request(
        "application/json",
        br#"{"object_kind":"push","ref":"refs/heads/main","checkout_sha":"3f2c1aa9d0b5","project":{"path_with_namespace":"course/devops-demo"}}"#,
    );
    push.headers.add("X-Gitlab-Event", "Push Hook");
    let origin = read(&push, true).unwrap().origin();
    assert_eq!(origin.forge, "gitlab");
    assert_eq!(origin.summary(), "Push Hook main 3f2c1aa");
    assert_eq!(origin.repository, "course/devops-demo");
    let plain = read(&request("application/json", b"{}"), true).unwrap().origin();
    assert_eq!((plain.forge.as_str(), plain.summary().as_str()), ("", ""));
}
