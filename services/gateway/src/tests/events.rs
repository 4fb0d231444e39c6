//! Received events, as their readers see them.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};
use tidemill_bus::Message;
use tidemill_messages::event::{CLASSES, Outcome, SUMMARY};
use tidemill_messages::stream::EVENTS;
use tidemill_messages::subject;

use super::watch::Lines;
use super::{TOKEN, World};

const EVENTS_PATH: &str = "/apis/events.tidemill.dev/v1/namespaces/ci/receivedevents";

/// An id as ingest makes them: the number in front.
fn id(number: u64) -> String {
    format!("{number:08}-0000-5000-8000-000000000000")
}

fn summary(number: u64, branch: &str) -> Value {
    json!({
        "id": id(number), "key": format!("key{number}"), "namespace": "ci", "listener": "git", "listenerUid": "u",
        "receivedAt": format!("2026-11-23T13:00:{:02}Z", number % 60), "from": "gitlab", "event": "Push Hook",
        "branch": branch, "revision": "3f2c1aa9", "repository": "course/demo",
    })
}

impl World {
    /// Stores an event as ingest does.
    async fn came(&self, number: u64, branch: &str) -> u64 {
        let summary = summary(number, branch);
        let event = json!({
            "version": 1, "summary": summary, "url": "/ci/git", "checked": true,
            "headers": {"X-Gitlab-Token": ["sealed:v1:abc"], "X-Gitlab-Event": ["Push Hook"]},
            "body": {"text": json!({"ref": format!("refs/heads/{branch}"), "number": number}).to_string()},
        });
        let message = Message::new(subject::event("ci", "u", &format!("key{number}")), event.to_string())
            .header(SUMMARY, summary.to_string());
        self.bus.publish(message).await.unwrap()
    }

    /// Stores what became of it.
    async fn became(&self, number: u64, stage: &str, triggers: Value, reason: &str) -> u64 {
        let outcome: Outcome = serde_json::from_value(json!({
            "version": 1, "id": id(number), "stage": stage, "at": "2026-11-23T13:01:00Z", "triggers": triggers,
            "reason": reason,
        }))
        .unwrap();
        let subject = subject::outcome("ci", "u", &format!("key{number}"));
        let message =
            Message::new(subject, serde_json::to_vec(&outcome).unwrap()).header(CLASSES, outcome.class_words());
        self.bus.publish(message).await.unwrap()
    }

    async fn noticed(&self, class: &str, summary: Value, what: Value) -> u64 {
        let notice = json!({"version": 1, "at": "2026-11-23T13:02:00Z", "summary": summary, "what": what});
        let message = Message::new(subject::notice("ci", "git"), notice.to_string())
            .header(SUMMARY, summary.to_string())
            .header(CLASSES, class);
        self.bus.publish(message).await.unwrap()
    }

    async fn names(&self, query: &str) -> Vec<String> {
        let answer = self.get(&format!("{EVENTS_PATH}?{query}")).await;
        assert_eq!(answer.code, 200, "{query}: {}", answer.body);
        let items = answer.body["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap().chars().take(8).collect())
            .collect()
    }

    /// Three events and what became of them, a redelivery, a refused request.
    async fn furnished() -> Self {
        let world = Self::new().await;
        world.came(1, "main").await;
        world.became(1, "decided", json!([]), "").await;
        let made = json!([{"kind": "PipelineRun", "namespace": "ci", "name": "run-x", "uid": "u"}]);
        let accepted = json!({"namespace": "ci", "trigger": "push", "accepted": true, "decision": "accepted",
            "text": "accepted, 1 objects", "made": made});
        world.became(1, "done", json!([accepted]), "").await;
        world.came(2, "docs").await;
        let filtered = json!({"namespace": "ci", "trigger": "push", "accepted": false, "decision": "filtered",
            "text": "filtered by cel: it was false"});
        world.became(2, "done", json!([filtered]), "").await;
        world.came(3, "main").await;
        world.became(3, "dead", json!([]), "its listener was deleted").await;
        world
            .noticed("redelivered", summary(1, "main"), json!("redelivered"))
            .await;
        let unknown = json!({"id": "", "key": "", "namespace": "ci", "listener": "git", "listenerUid": "",
            "receivedAt": "2026-11-23T13:03:00Z", "from": "", "event": "", "branch": "", "revision": "", "repository": ""});
        world
            .noticed(
                "refused",
                unknown,
                json!({"refused": {"code": 413, "message": "the body is too large"}}),
            )
            .await;
        world
    }
}

#[tokio::test]
async fn the_newest_come_first_and_filters_find_them() {
    let world = World::furnished().await;
    let all = world.names("").await;
    assert_eq!(all.len(), 5);
    assert!(all[0].starts_with("r-") && all[1].starts_with("r-"), "{all:?}");
    assert_eq!(all[2..], ["00000003", "00000002", "00000001"]);
    for (query, expected) in [
        ("branch=main&outcome=accepted", vec!["00000001"]),
        ("outcome=dead", vec!["00000003"]),
        ("outcome=dead,filtered", vec!["00000003", "00000002"]),
        (
            "event=push&until=2026-11-23T13:00:03Z&outcome=filtered,accepted",
            vec!["00000002", "00000001"],
        ),
        ("id=00000002", vec!["00000002"]),
        ("text=refs/heads/docs", vec!["00000002"]),
        ("where=body.number%20%3E%201.0", vec!["00000003", "00000002"]),
        ("where=body.number%20%3E%201.0&limit=1", vec!["00000003"]),
        ("listener=other", vec![]),
    ] {
        assert_eq!(world.names(query).await, expected, "{query}");
    }
    let elsewhere = world
        .get("/apis/events.tidemill.dev/v1/namespaces/other/receivedevents")
        .await;
    assert_eq!(elsewhere.body["items"], json!([]));
    let everywhere = world.get("/apis/events.tidemill.dev/v1/receivedevents").await;
    assert_eq!(everywhere.body["items"].as_array().unwrap().len(), 5);
    assert_eq!(world.get(&format!("{EVENTS_PATH}?where=body.")).await.code, 400);
}

#[tokio::test]
async fn lists_say_what_each_trigger_decided_and_made() {
    let world = World::furnished().await;
    let list = world.get(EVENTS_PATH).await.body;
    let of = |position: usize| list["items"][position]["status"].clone();
    assert_eq!(
        (&of(0)["code"], &of(0)["reason"]),
        (&json!(413), &json!("the body is too large"))
    );
    assert_eq!(of(1)["redeliveryOf"], id(1));
    assert_eq!(
        (&of(2)["outcome"], &of(2)["reason"]),
        (&json!("dead"), &json!("its listener was deleted"))
    );
    assert_eq!(of(3)["triggers"][0]["text"], "filtered by cel: it was false");
    assert_eq!(of(4)["triggers"][0]["objects"][0]["name"], "run-x");
    let table = world.table(EVENTS_PATH).await.body;
    assert_eq!(table["rows"][4]["cells"][4], "push → pipelinerun/run-x");
    assert_eq!(table["rows"][0]["cells"][4], "refused 413: the body is too large");
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap() {
    let world = World::new().await;
    for number in 0..7 {
        world.came(number, "main").await;
    }
    let mut seen = Vec::new();
    let mut next = String::new();
    loop {
        let page = world.get(&format!("{EVENTS_PATH}?limit=3{next}")).await.body;
        let items = page["items"].as_array().unwrap();
        seen.extend(
            items
                .iter()
                .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()),
        );
        match page["metadata"]["continue"].as_str() {
            Some(token) => next = format!("&continue={token}"),
            None => break,
        }
    }
    assert_eq!(seen, (0..7).rev().map(id).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_event_is_shown_whole_but_for_its_credentials() {
    let world = World::furnished().await;
    let answer = world.get(&format!("{EVENTS_PATH}/{}", id(1))).await;
    assert_eq!(answer.code, 200, "{}", answer.body);
    assert_eq!(answer.body["spec"]["headers"]["X-Gitlab-Token"], json!(["(sealed)"]));
    assert!(!answer.body.to_string().contains("sealed:v1"));
    assert!(
        answer.body["spec"]["body"]
            .as_str()
            .unwrap()
            .contains("refs/heads/main")
    );
    assert_eq!(answer.body["status"]["redeliveredAt"], json!(["2026-11-23T13:00:01Z"]));
    assert_eq!(world.get(&format!("{EVENTS_PATH}/{}", id(9))).await.code, 404);
    assert_eq!(world.get(&format!("{EVENTS_PATH}/00000001")).await.code, 404);
}

#[tokio::test]
async fn a_retry_is_asked_for_where_ingest_looks() {
    let world = World::furnished().await;
    let answer = world.post(&format!("{EVENTS_PATH}/{}/retry", id(3)), json!({})).await;
    assert_eq!(answer.code, 202, "{}", answer.body);
    let asked = world.bus.last(EVENTS, "retry.ci.u.key3").await.unwrap().unwrap();
    assert_eq!(answer.body["metadata"]["resourceVersion"], asked.sequence.to_string());
    assert_eq!(world.names("outcome=pending").await, ["00000003"]);
    let list = world.get(EVENTS_PATH).await.body;
    for position in [0, 1] {
        let name = list["items"][position]["metadata"]["name"].as_str().unwrap();
        let refused = world.post(&format!("{EVENTS_PATH}/{name}/retry"), json!({})).await;
        assert_eq!(refused.code, 400, "{name}");
    }
    assert_eq!(world.get(&format!("{EVENTS_PATH}/{}/retry", id(3))).await.code, 405);
}

#[tokio::test]
async fn a_watch_tells_what_came_and_what_became_of_it() {
    let world = World::furnished().await;
    let version = world.get(EVENTS_PATH).await.body["metadata"]["resourceVersion"].clone();
    let path = format!(
        "{EVENTS_PATH}?watch=true&branch=main&resourceVersion={}",
        version.as_str().unwrap()
    );
    let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
    let response = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), 200);
    let mut lines = Lines::of(response.into_body());
    world.came(4, "docs").await;
    world.came(5, "main").await;
    world.became(4, "dead", json!([]), "no").await;
    world.became(5, "trying", json!([]), "").await;
    let ended = world.became(5, "dead", json!([]), "no").await;
    let next: Value = serde_json::from_str(&lines.next().await.unwrap()).unwrap();
    assert_eq!(
        (&next["type"], &next["object"]["metadata"]["name"]),
        (&json!("ADDED"), &json!(id(5)))
    );
    let next: Value = serde_json::from_str(&lines.next().await.unwrap()).unwrap();
    assert_eq!(
        (&next["type"], &next["object"]["status"]["outcome"]),
        (&json!("MODIFIED"), &json!("dead"))
    );
    assert_eq!(next["object"]["metadata"]["resourceVersion"], ended.to_string());
}

#[tokio::test]
async fn the_group_is_discovered() {
    let world = World::new().await;
    let groups = world.get("/apis").await.body;
    let names: Vec<&str> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|group| group["name"].as_str())
        .collect();
    assert!(names.contains(&"events.tidemill.dev"), "{names:?}");
    let resources = world.get("/apis/events.tidemill.dev/v1").await.body;
    assert_eq!(resources["resources"][0]["name"], "receivedevents");
    let anybody = Request::get(EVENTS_PATH).body(Body::empty()).unwrap();
    assert_eq!(world.send(anybody).await.status(), 401);
}
