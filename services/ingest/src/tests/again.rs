//! Events that are evaluated again because somebody asked.

use serde_json::json;
use tidemill_bus::{Message, Stored};
use tidemill_messages::event::Stage;
use tidemill_messages::stream::EVENTS;
use tidemill_messages::subject;
use tidemill_objects::{DeleteOptions, Key, Part, Patch};
use tidemill_resources::Kind;

use super::{TOKEN, World};
use crate::Error;
use crate::again::again;
use crate::judge::judge;

/// Writes of a retry: reopened, decided, two objects, done.
const WRITES: usize = 5;

impl World {
    /// A push with the wrong token, evaluated; and the Secret changed to that token since.
    async fn refused() -> (Self, Stored) {
        let world = Self::new().await;
        world.push("the new token", "d-1").await;
        let event = world.events().await.remove(0);
        judge(&world.app, &event, false).await.unwrap();
        assert!(!world.outcome(&event).await.unwrap().triggers[0].accepted);
        let kind = Kind::by_resource("", "secrets").unwrap();
        let changed = Patch::Merge(json!({"stringData": {"token": "the new token"}}));
        let key = Key::new(kind, "default", "git");
        world
            .objects
            .patch(&key, &changed, Part::Main, Default::default())
            .await
            .unwrap();
        (world, event)
    }

    /// The gateway's request.
    async fn ask(&self, event: &Stored) -> Stored {
        let subject = subject::retry_of_event(&event.subject).unwrap();
        self.bus.publish(Message::new(subject.as_str(), "{}")).await.unwrap();
        self.bus.last(EVENTS, &subject).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn what_was_refused_is_decided_by_the_secret_as_it_is_now() {
    let (world, event) = World::refused().await;
    let request = world.ask(&event).await;
    again(&world.app, &request, false).await.unwrap();
    assert_eq!(world.made().await.len(), 2);
    let outcome = world.outcome(&event).await.unwrap();
    assert_eq!((outcome.stage, outcome.triggers[0].made.len()), (Stage::Done, 2));
}

#[tokio::test]
async fn a_retry_makes_nothing_twice_wherever_the_process_ends() {
    for writes in 1..=WRITES {
        let (world, event) = World::refused().await;
        let request = world.ask(&event).await;
        world.app.crash.after(writes);
        let ended = again(&world.app, &request, false).await;
        assert!(matches!(ended, Err(Error::Stopping)), "after {writes}: {ended:?}");
        world.app.crash.after(usize::MAX);
        again(&world.app, &request, true).await.unwrap();
        assert_eq!(world.made().await.len(), 2, "after {writes}");
        assert_eq!(
            world.outcome(&event).await.unwrap().stage,
            Stage::Done,
            "after {writes}"
        );
    }
    let (world, event) = World::refused().await;
    let request = world.ask(&event).await;
    world.app.crash.after(WRITES + 1);
    again(&world.app, &request, false).await.unwrap();
}

#[tokio::test]
async fn what_was_made_is_kept_and_not_made_again() {
    let world = World::new().await;
    world.push(TOKEN, "d-1").await;
    let event = world.events().await.remove(0);
    judge(&world.app, &event, false).await.unwrap();
    let before = world.outcome(&event).await.unwrap().triggers;
    let kind = Kind::by_resource("", "configmaps").unwrap();
    for made in world.made().await {
        let key = Key::new(kind, "default", made.name());
        world.objects.delete(&key, &DeleteOptions::default()).await.unwrap();
    }
    let request = world.ask(&event).await;
    again(&world.app, &request, false).await.unwrap();
    assert_eq!(world.outcome(&event).await.unwrap().triggers, before);
    assert!(world.made().await.is_empty(), "what people deleted stays away");
}

#[tokio::test]
async fn what_was_given_up_can_come_to_its_end() {
    let world = World::new().await;
    world.push(TOKEN, "d-1").await;
    let event = world.events().await.remove(0);
    for _ in 0..=crate::judge::TRIES_MAX {
        world.app.crash.after(1);
        judge(&world.app, &event, true).await.unwrap_err();
    }
    world.app.crash.after(usize::MAX);
    assert_eq!(world.outcome(&event).await.unwrap().stage, Stage::Dead);
    let request = world.ask(&event).await;
    again(&world.app, &request, false).await.unwrap();
    let outcome = world.outcome(&event).await.unwrap();
    assert_eq!(
        (outcome.stage, outcome.retries, outcome.reason.as_str()),
        (Stage::Done, 0, "")
    );
    assert_eq!(world.made().await.len(), 2);
}

#[tokio::test]
async fn a_request_that_was_answered_before_does_nothing() {
    let (world, event) = World::refused().await;
    let request = world.ask(&event).await;
    again(&world.app, &request, false).await.unwrap();
    let last = world.bus.last_sequence(EVENTS).await.unwrap();
    again(&world.app, &request, true).await.unwrap();
    assert_eq!(world.bus.last_sequence(EVENTS).await.unwrap(), last);
    let gone = Stored {
        subject: "retry.default.u.none".to_owned(),
        ..request
    };
    again(&world.app, &gone, false).await.unwrap();
}
