//! Redeliveries and refused requests, as people will see them.

use std::time::Duration;

use tidemill_messages::decode;
use tidemill_messages::event::CLASSES;
use tidemill_messages::notice::{Notice, What};
use tidemill_messages::stream::EVENTS;

use super::{TOKEN, World};
use crate::notice;

impl World {
    /// What was written until ingest stopped.
    async fn notices(&self, expected: usize) -> Vec<(String, Notice)> {
        let mut reader = self.bus.reader(EVENTS, "notice.>", 0, false).await.unwrap();
        let read = async {
            let mut found = Vec::new();
            while found.len() < expected {
                let stored = reader.next().await.unwrap();
                let notice = decode(&stored.subject, &stored.payload).unwrap();
                found.push((stored.header(CLASSES).unwrap().to_owned(), notice));
            }
            found
        };
        tokio::select! {
            found = read => found,
            ended = notice::run(&self.app) => panic!("{ended:?}"),
        }
    }
}

#[tokio::test]
async fn a_redelivery_is_noted_with_the_event_it_repeats() {
    let world = World::new().await;
    let first = world.push(TOKEN, "d-1").await;
    world.push(TOKEN, "d-1").await;
    let (class, notice) = world.notices(1).await.remove(0);
    assert_eq!((class.as_str(), &notice.what), ("redelivered", &What::Redelivered));
    assert_eq!(first.body["eventID"], notice.summary.id.as_str());
    assert_eq!(notice.summary.branch, "main");
}

#[tokio::test]
async fn a_refused_request_is_noted_with_its_answer() {
    let world = World::new().await;
    let headers = [("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", TOKEN)];
    world.send("/default/git", &headers, "no json").await;
    world.send("/default/none", &[], "{}").await;
    world.send("/nowhere", &[], "{}").await;
    let found = world.notices(2).await;
    let shown = |position: usize| {
        let notice: &Notice = &found[position].1;
        let What::Refused { code, message } = &notice.what else {
            panic!("{notice:?}")
        };
        (
            notice.summary.listener.as_str(),
            notice.summary.event.as_str(),
            *code,
            message.clone(),
        )
    };
    let (listener, event, code, message) = shown(0);
    assert_eq!((listener, event, code), ("git", "Push Hook", 400));
    assert!(message.contains("not JSON"), "{message}");
    assert_eq!(shown(1).2, 404);
    assert!(!format!("{found:?}").contains(TOKEN));
}

#[tokio::test(start_paused = true)]
async fn who_sends_nonsense_all_day_is_only_counted() {
    let world = World::new().await;
    for _ in 0..500 {
        world.send("/default/git", &[], "no json").await;
    }
    // As many as wait at once are written; the others are told with the next one that may be.
    let story = async {
        let mut reader = world.bus.reader(EVENTS, "notice.>", 0, false).await.unwrap();
        for _ in 0..64 {
            reader.next().await.unwrap();
        }
        tokio::time::advance(Duration::from_secs(3_600)).await;
        world.send("/default/git", &[], "no json").await;
        let stored = reader.next().await.unwrap();
        let notice: Notice = decode(&stored.subject, &stored.payload).unwrap();
        assert_eq!(notice.unstored, 500 - 64);
    };
    tokio::select! {
        () = story => {}
        ended = notice::run(&world.app) => panic!("{ended:?}"),
    }
}
