//! The end of the process between any two writes.

use serde_json::json;
use tidemill_messages::event::Stage;
use tidemill_objects::{Key, Patch};
use tidemill_resources::Kind;

use super::{TOKEN, World};
use crate::Error;
use crate::judge::judge;

/// Writes of one event: decided, two objects, done.
const WRITES: usize = 4;

#[tokio::test]
async fn nothing_is_made_twice_wherever_the_process_ends() {
    for writes in 1..=WRITES {
        let world = World::new().await;
        world.push(TOKEN, "d-1").await;
        let event = world.events().await.remove(0);
        world.app.crash.after(writes);
        let ended = judge(&world.app, &event, false).await;
        assert!(matches!(ended, Err(Error::Stopping)), "after {writes}: {ended:?}");
        world.app.crash.after(usize::MAX);
        judge(&world.app, &event, true).await.unwrap();
        assert_eq!(world.made().await.len(), 2, "after {writes}");
        let outcome = world.outcome(&event).await.unwrap();
        assert_eq!(outcome.stage, Stage::Done, "after {writes}");
        assert_eq!(outcome.triggers[0].made.len(), 2, "after {writes}");
    }
    let world = World::new().await;
    world.push(TOKEN, "d-1").await;
    world.app.crash.after(WRITES + 1);
    let event = world.events().await.remove(0);
    judge(&world.app, &event, false).await.unwrap();
}

#[tokio::test]
async fn what_was_decided_is_made_though_the_template_changed_since() {
    let world = World::new().await;
    world.push(TOKEN, "d-1").await;
    let event = world.events().await.remove(0);
    world.app.crash.after(2);
    judge(&world.app, &event, false).await.unwrap_err();
    let kind = Kind::by_resource("triggers.tekton.dev", "triggertemplates").unwrap();
    let key = Key::new(kind, "default", "all");
    let other = json!({"spec": {"resourcetemplates": [super::one("made-c-")]}});
    let patched = world
        .objects
        .patch(
            &key,
            &Patch::Merge(other),
            tidemill_objects::Part::Main,
            Default::default(),
        )
        .await;
    patched.unwrap();
    world.app.crash.after(usize::MAX);
    judge(&world.app, &event, true).await.unwrap();
    let names: Vec<String> = world
        .made()
        .await
        .iter()
        .map(|object| object.name()[..7].to_owned())
        .collect();
    assert_eq!(names, ["made-a-", "made-b-"]);
}
