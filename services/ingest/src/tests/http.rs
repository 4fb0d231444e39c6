//! What senders are answered, and what is stored then.

use axum::http::header;
use tidemill_bus::blob;
use tidemill_messages::event::{Event, SUMMARY, Summary};
use tidemill_settings::Size;

use super::{TOKEN, World, push, settings};
use crate::Settings;

#[tokio::test]
async fn an_event_is_stored_before_it_is_accepted() {
    let world = World::new().await;
    let answer = world.push(TOKEN, "d-1").await;
    assert_eq!(answer.code, 202, "{}", answer.body);
    assert_eq!(answer.body["eventListener"], "git");
    assert_eq!(answer.body["namespace"], "default");
    let events = world.events().await;
    assert_eq!(events.len(), 1);
    let summary: Summary = serde_json::from_str(events[0].header(SUMMARY).unwrap()).unwrap();
    assert_eq!(answer.body["eventID"], summary.id.as_str());
    assert_eq!(answer.body["eventListenerUID"], summary.listener_uid.as_str());
    assert_eq!((summary.from.as_str(), summary.branch.as_str()), ("gitlab", "main"));
    let event: Event = serde_json::from_slice(&events[0].payload).unwrap();
    assert_eq!(event.headers["X-Gitlab-Event"], ["Push Hook"]);
    let all = String::from_utf8_lossy(&events[0].payload);
    assert!(!all.contains(TOKEN), "the token is not stored readable: {all}");
    let (_, read) = crate::decide::read(&world.app, &events[0]).await.unwrap();
    assert_eq!(read.headers.first("X-Gitlab-Token"), Some(TOKEN));
}

#[tokio::test]
async fn a_redelivery_is_the_same_event_and_a_forged_one_is_not() {
    let world = World::new().await;
    let first = world.push(TOKEN, "d-1").await;
    let again = world.push(TOKEN, "d-1").await;
    assert_eq!((again.code, &again.body), (202, &first.body));
    assert_eq!(world.events().await.len(), 1);
    let forged = world.push("guess", "d-1").await;
    assert_eq!(forged.code, 202);
    assert_ne!(forged.body["eventID"], first.body["eventID"]);
    let other = world.push(TOKEN, "d-2").await;
    assert_ne!(other.body["eventID"], first.body["eventID"]);
    assert_eq!(world.events().await.len(), 3);
}

#[tokio::test]
async fn without_an_id_every_request_is_an_event() {
    let world = World::new().await;
    for _ in 0..2 {
        let body = push("main").to_string();
        let host = [("Host", "el-git.default.svc.cluster.local:8080")];
        assert_eq!(world.send("/any/path", &host, body).await.code, 202);
    }
    assert_eq!(world.events().await.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_and_not_stored() {
    let world = World::with(Settings {
        body: Size::new(1_000),
        headers: Size::new(500),
        ..settings()
    })
    .await;
    let long = "x".repeat(600);
    let big = format!("{{\"a\": \"{}\"}}", "x".repeat(1_000));
    for (path, headers, body, code) in [
        ("/default/git", vec![], "[1]", 400),
        ("/default/git", vec![], "no json", 400),
        ("/default/git", vec![], "", 400),
        ("/default/git", vec![], big.as_str(), 413),
        ("/default/git", vec![("X-Long", long.as_str())], "{}", 431),
        ("/default/none", vec![], "{}", 404),
        ("/default", vec![], "{}", 404),
    ] {
        let answer = world.send(path, &headers, body.to_owned()).await;
        assert_eq!(answer.code, code, "{path} {body}");
        assert_ne!(answer.body["errorMessage"], "", "{path} {body}");
    }
    assert!(world.events().await.is_empty());
}

#[tokio::test]
async fn a_body_too_large_for_a_message_is_a_blob() {
    let world = World::new().await;
    let body = format!("{{\"text\": \"{}\"}}", "é".repeat(blob::CHUNK_BYTES));
    assert_eq!(world.send("/default/git", &[], body.clone()).await.code, 202);
    let events = world.events().await;
    assert!(events[0].payload.is_empty() && events[0].header(blob::NAMED).is_some());
    let (_, read) = crate::decide::read(&world.app, &events[0]).await.unwrap();
    assert_eq!(read.body, body.as_bytes());
}

#[tokio::test]
async fn more_than_the_rate_is_told_to_wait() {
    let world = World::with(Settings { rate: 1, ..settings() }).await;
    assert_eq!(world.push(TOKEN, "d-1").await.code, 202);
    let answer = world.push(TOKEN, "d-2").await;
    assert_eq!(answer.code, 429);
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_never_accepted() {
    let world = World::new().await;
    world.memory.set_reachable(false);
    let answer = world.push(TOKEN, "d-1").await;
    assert_eq!(answer.code, 503);
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
    world.memory.set_reachable(true);
    assert!(world.events().await.is_empty());
}

#[tokio::test]
async fn a_full_store_is_never_accepted() {
    let world = World::new().await;
    let limits = tidemill_bus::layout::Limits {
        events_bytes: 10,
        ..Default::default()
    };
    tidemill_bus::layout::ensure(&world.bus, &limits).await.unwrap();
    let answer = world.push(TOKEN, "d-1").await;
    assert_eq!(answer.code, 503);
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
    assert!(world.events().await.is_empty());
}
