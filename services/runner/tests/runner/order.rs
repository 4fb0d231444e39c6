//! Slots and priorities.

use std::time::Duration;

use tidemill_messages::Ending;
use tidemill_runner::Settings;

use crate::place::{Place, Script, outcome};
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn the_most_urgent_of_those_that_wait_goes_first() {
    let world = World::new().await;
    let settings = Settings {
        slots: 1,
        ..world.settings("a")
    };
    world.place.script("first", Script::Hold);
    let _runner = world.runner_with(settings, &world.place);
    let (first, _) = world.dispatch_with("first", 0).await;
    world.place.until(|state| state.started.len() == 1).await;
    for (task, priority) in [("low", 1), ("middle", 5), ("high", 9), ("middle-too", 5)] {
        world.dispatch_with(task, priority).await;
    }
    world.place.end(&first, outcome(Ending::Succeeded)).await;
    world.place.until(|state| state.removed.len() == 5).await;
    let started: Vec<String> = world
        .place
        .look(|state| state.started.iter().map(|key| key.task.clone()).collect());
    assert_eq!(started, ["first", "high", "middle", "middle-too", "low"]);
}

#[tokio::test(start_paused = true)]
async fn never_more_than_the_slots() {
    let world = World::new().await;
    let _runner = world.runner("a");
    let mut keys = Vec::new();
    for n in 0..12 {
        let task = format!("t-{n}");
        world.place.script(&task, Script::Hold);
        keys.push(world.dispatch(&task).await);
    }
    let mut ended = 0;
    while ended < keys.len() {
        let expected = (ended + 4).min(keys.len());
        world.place.until(|state| state.started.len() == expected).await;
        world.pass(Duration::from_secs(90)).await;
        assert_eq!(world.place.look(|state| state.started.len()), expected, "four slots");
        let next = world.place.look(|state| state.started[ended].clone());
        world.place.end(&next, outcome(Ending::Succeeded)).await;
        ended += 1;
    }
    for key in &keys {
        assert_eq!(world.ending(key).await, Ending::Succeeded);
    }
}

#[tokio::test(start_paused = true)]
async fn a_runner_keeps_no_task_from_another_that_is_free() {
    let world = World::new().await;
    let (here, there) = (Place::new(), Place::new());
    let _a = world.runner_with(
        Settings {
            slots: 1,
            ..world.settings("a")
        },
        &here,
    );
    let elsewhere = Settings {
        slots: 1,
        place: "there".to_owned(),
        ..world.settings("b")
    };
    let _b = world.runner_with(elsewhere, &there);
    world.pass(Duration::from_secs(10)).await;
    for task in ["one", "two"] {
        here.script(task, Script::Hold);
        there.script(task, Script::Hold);
        world.dispatch(task).await;
    }
    here.until(|state| state.started.len() == 1).await;
    there.until(|state| state.started.len() == 1).await;
}
