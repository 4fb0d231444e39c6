use super::{delivery_id, derived_name, event_id, event_key, firing_uid};
use crate::event::{Headers, Request};

fn request(headers: &[(&str, &str)], body: &str) -> Request {
    Request {
        url: "/".to_owned(),
        headers: headers.iter().copied().collect(),
        body: body.as_bytes().to_vec(),
    }
}

#[test]
fn a_redelivery_has_the_same_key_and_nothing_else_has() {
    let headers = [
        ("X-GitHub-Delivery", "72d3162e"),
        ("X-GitHub-Event", "push"),
        ("X-Hub-Signature-256", "sha256=aa"),
    ];
    let key = |listener: &str, headers: &[(&str, &str)], body: &str, nonce: &str| {
        event_key(listener, &request(headers, body), nonce)
    };
    let first = key("uid", &headers, "{}", "n1");
    assert_eq!(first.len(), 64);
    assert_eq!(first, key("uid", &headers, "{}", "n2"));
    // What does not vouch for the sender does not matter.
    let more = [headers.as_slice(), &[("X-Request-Start", "now")]].concat();
    assert_eq!(first, key("uid", &more, "{}", "n1"));
    let mut forged = headers;
    forged[2].1 = "sha256=bb";
    let mut other_event = headers;
    other_event[1].1 = "ping";
    let mut other_id = headers;
    other_id[0].1 = "72d3162f";
    for other in [
        key("uid2", &headers, "{}", "n1"),
        key("uid", &headers, "{ }", "n1"),
        key("uid", &forged, "{}", "n1"),
        key("uid", &headers[..2], "{}", "n1"),
        key("uid", &other_event, "{}", "n1"),
        key("uid", &other_id, "{}", "n1"),
    ] {
        assert_ne!(first, other);
    }
}

#[test]
fn without_an_id_every_request_is_new() {
    let gitlab = [("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Event-UUID", "13792a34")];
    assert_eq!(delivery_id(&Headers::from_iter(gitlab)), None);
    let key = |nonce| event_key("uid", &request(&gitlab, "{}"), nonce);
    assert_ne!(key("n1"), key("n2"));
    assert_eq!(key("n1"), key("n1"));
    for (headers, expected) in [
        (vec![("Idempotency-Key", "k")], Some("k")),
        (vec![("Ce-Id", "7"), ("Ce-Source", "/s")], Some("/s\n7")),
        (vec![("Ce-Id", "7")], None),
        (vec![("Idempotency-Key", "")], None),
    ] {
        assert_eq!(delivery_id(&Headers::from_iter(headers)).as_deref(), expected);
    }
}

#[test]
fn names_and_ids_are_derived() {
    let name = derived_name("key", "ci/push", 0, "gitlab-run-", 0);
    assert!(name.starts_with("gitlab-run-") && name.len() == 16, "{name}");
    assert_eq!(name, derived_name("key", "ci/push", 0, "gitlab-run-", 0));
    let others = [
        derived_name("key2", "ci/push", 0, "gitlab-run-", 0),
        derived_name("key", "ci/other", 0, "gitlab-run-", 0),
        derived_name("key", "ci/push", 1, "gitlab-run-", 0),
        derived_name("key", "ci/push", 0, "gitlab-run-", 1),
    ];
    assert!(others.iter().all(|other| *other != name), "{others:?}");
    assert_eq!(derived_name("key", "t", 0, &"x".repeat(80), 0).len(), 63);
    assert_eq!(event_id("key"), event_id("key"));
    assert_ne!(event_id("key"), event_id("key2"));
    assert_ne!(firing_uid("e", "ns", "a"), firing_uid("e", "ns", "b"));
}
