//! Sandboxes made for tasks that are only announced.

use std::time::Duration;

use tidemill_bus::Message;
use tidemill_messages::{AttemptKey, Ending, subject};

use crate::place::{Place, Script};
use crate::world::World;

/// Announces a task as a planner does, once the runner listens.
async fn announce(world: &World, command: &Message) {
    world.pass(Duration::from_secs(1)).await;
    let hint = Message::new(subject::hint("process"), command.payload.clone());
    world.bus.notify(hint).await.unwrap();
}

async fn until_prepared(world: &World, keys: &[AttemptKey]) {
    world.place.until(|state| state.prepared == keys).await;
}

#[tokio::test(start_paused = true)]
async fn an_announced_task_is_prepared_once_and_before_it_comes() {
    let world = World::new().await;
    let _runner = world.runner("a");
    let (key, command) = world.command("build", 5);
    announce(&world, &command).await;
    until_prepared(&world, std::slice::from_ref(&key)).await;
    assert!(world.place.look(|state| state.started.is_empty()));
    world.bus.publish(command.expecting(0)).await.unwrap();
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    assert_eq!(world.place.look(|state| state.prepared.len()), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_made_for_a_task_that_does_not_come_is_removed() {
    let world = World::new().await;
    let _runner = world.runner("a");
    let (key, command) = world.command("build", 5);
    announce(&world, &command).await;
    world.place.until(|state| state.removed == [key.clone()]).await;
    assert!(
        world
            .place
            .look(|state| state.started.is_empty() && state.sandboxes.is_empty())
    );
    world.bus.publish(command.expecting(0)).await.unwrap();
    assert_eq!(world.ending(&key).await, Ending::Succeeded, "it may come late");
}

#[tokio::test(start_paused = true)]
async fn a_task_other_than_announced_is_prepared_anew() {
    let world = World::new().await;
    let _runner = world.runner("a");
    let (key, command) = world.command("build", 5);
    let text = String::from_utf8(command.payload.to_vec()).unwrap();
    let other = Message::new("unused", text.replace(r#"["work"]"#, r#"["other"]"#));
    assert_ne!(other.payload, command.payload);
    announce(&world, &other).await;
    until_prepared(&world, std::slice::from_ref(&key)).await;
    world.bus.publish(command.expecting(0)).await.unwrap();
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    assert_eq!(world.place.look(|state| state.prepared.len()), 2);
    world.place.until(|state| state.sandboxes.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_made_ahead_is_made_when_the_task_comes() {
    let world = World::new().await;
    world.place.script("build", Script::Refuse);
    let _runner = world.runner("a");
    let (key, command) = world.command("build", 5);
    announce(&world, &command).await;
    until_prepared(&world, std::slice::from_ref(&key)).await;
    world.place.script("build", Script::Finish);
    world.bus.publish(command.expecting(0)).await.unwrap();
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_ahead_where_another_runner_may_take_the_task() {
    let world = World::new().await;
    let other_place = Place::new();
    let elsewhere = tidemill_runner::Settings {
        place: "elsewhere".to_owned(),
        ..world.settings("b")
    };
    let _here = world.runner("a");
    let _elsewhere = world.runner_with(elsewhere, &other_place);
    let (_, command) = world.command("build", 5);
    announce(&world, &command).await;
    world.pass(Duration::from_secs(1)).await;
    assert!(world.place.look(|state| state.prepared.is_empty()));
    assert!(other_place.look(|state| state.prepared.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn no_more_is_made_than_there_are_slots() {
    let world = World::new().await;
    let _runner = world.runner("a");
    for number in 0..20 {
        let (_, command) = world.command(&format!("t-{number}"), 5);
        announce(&world, &Message::new("unused", command.payload)).await;
        let waiting = world.place.look(|state| state.sandboxes.len());
        assert!(waiting <= 4, "{waiting} sandboxes wait");
    }
    world.place.until(|state| state.sandboxes.is_empty()).await;
}
