//! What becomes of stored events.

use serde_json::json;
use tidemill_messages::event::Stage;
use tidemill_objects::{DeleteOptions, Key};
use tidemill_resources::Kind;

use super::{TOKEN, World, push};
use crate::judge::{TRIES_MAX, judge};

#[tokio::test]
async fn a_push_makes_its_objects_once() {
    let world = World::new().await;
    world.push(TOKEN, "d-1").await;
    let event = world.events().await.remove(0);
    for is_suspect in [false, true, false] {
        judge(&world.app, &event, is_suspect).await.unwrap();
        assert_eq!(world.made().await.len(), 2);
    }
    let outcome = world.outcome(&event).await.unwrap();
    assert_eq!((outcome.stage, outcome.retries), (Stage::Done, 0));
    let verdict = &outcome.triggers[0];
    assert!(verdict.accepted && verdict.error.is_empty() && verdict.objects.is_empty());
    let names: Vec<&str> = verdict.made.iter().map(|made| made.name.as_str()).collect();
    assert!(
        names[0].starts_with("made-a-") && names[1].starts_with("made-b-"),
        "{names:?}"
    );
    let object = world.made().await.remove(0);
    assert_eq!(object.rest["data"]["sha"], "3f2c1aa9d0b5");
    let labels = object.metadata.labels.unwrap();
    assert_eq!(labels["triggers.tekton.dev/triggers-eventid"], outcome.id);
}

#[tokio::test]
async fn refusals_and_filters_are_kept_with_their_reason() {
    let world = World::new().await;
    world.push("guess", "d-1").await;
    let headers = [("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", TOKEN)];
    world.send("/default/git", &headers, push("docs").to_string()).await;
    let mut texts = Vec::new();
    for event in world.events().await {
        judge(&world.app, &event, false).await.unwrap();
        let outcome = world.outcome(&event).await.unwrap();
        assert_eq!(outcome.stage, Stage::Done);
        assert!(!outcome.triggers[0].accepted);
        texts.push(outcome.triggers[0].text.clone());
    }
    assert_eq!(
        texts[0],
        "refused by gitlab: X-Gitlab-Token does not match Secret git/token"
    );
    assert!(texts[1].starts_with("filtered by cel: "), "{}", texts[1]);
    assert!(world.made().await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_made_is_said() {
    let world = World::new().await;
    let spec = json!({"triggers": [{"name": "t", "template": {"spec": {"resourcetemplates": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "taken"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-"}},
    ]}}}]});
    let listener = json!({"apiVersion": "triggers.tekton.dev/v1beta1", "kind": "EventListener",
        "metadata": {"name": "other"}, "spec": spec});
    let taken = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "taken"}});
    for object in [listener, taken] {
        world.objects.create_with(object, Default::default()).await.unwrap();
    }
    world.send("/default/other", &[], "{}").await;
    let event = world.events().await.remove(0);
    judge(&world.app, &event, false).await.unwrap();
    let outcome = world.outcome(&event).await.unwrap();
    assert_eq!(outcome.stage, Stage::Done);
    assert_eq!(outcome.triggers[0].error, "configmaps \"taken\" already exists");
    assert!(world.made().await.is_empty(), "the first that fails ends the rest");
}

#[tokio::test]
async fn an_event_whose_listener_is_gone_is_given_up() {
    let world = World::new().await;
    world.push(TOKEN, "d-1").await;
    let kind = Kind::by_resource("triggers.tekton.dev", "eventlisteners").unwrap();
    let key = Key::new(kind, "default", "git");
    world.objects.delete(&key, &DeleteOptions::default()).await.unwrap();
    let event = world.events().await.remove(0);
    judge(&world.app, &event, false).await.unwrap();
    let outcome = world.outcome(&event).await.unwrap();
    assert_eq!(outcome.stage, Stage::Dead);
    assert!(
        outcome.reason.contains("EventListener git was deleted"),
        "{}",
        outcome.reason
    );
}

#[tokio::test]
async fn an_event_that_ends_the_process_each_time_is_given_up() {
    let world = World::new().await;
    world.push(TOKEN, "d-1").await;
    let event = world.events().await.remove(0);
    for tries in 1..=TRIES_MAX {
        // The try is counted before it begins; then the process ends.
        world.app.crash.after(1);
        judge(&world.app, &event, true).await.unwrap_err();
        assert_eq!(world.outcome(&event).await.unwrap().retries, tries);
    }
    world.app.crash.after(usize::MAX);
    judge(&world.app, &event, true).await.unwrap();
    let outcome = world.outcome(&event).await.unwrap();
    assert_eq!(outcome.stage, Stage::Dead);
    assert!(outcome.reason.contains("5 tries"), "{}", outcome.reason);
    assert!(world.made().await.is_empty());
}
