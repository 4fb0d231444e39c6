//! Ends of attempts that are said while they are being stored.

use std::time::Duration;

use tidemill_messages::{Ending, Fact, FactBody, decode, subject};

use crate::place::{Script, outcome};
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn the_end_is_said_as_it_is_stored() {
    let world = World::new().await;
    let mut said = world.bus.subscribe(subject::ALL_ENDING_HINTS, None).await.unwrap();
    let _runner = world.runner("a");
    let key = world.dispatch("build").await;
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    let hint = said.next().await.unwrap();
    assert_eq!(subject::run_uid_of(&hint.subject).as_ref(), Some(&key.run_uid));
    let fact: Fact = decode(&hint.subject, &hint.payload).unwrap();
    let stored = world.first("facts", &subject::attempt_fact(&key, "finished")).await;
    assert_eq!(fact, decode(&stored.subject, &stored.payload).unwrap());
    assert!(matches!(fact.body, FactBody::AttemptFinished { task, .. } if task == "build"));
}

/// Its first owner may have stored another end that nobody has read yet.
#[tokio::test(start_paused = true)]
async fn nothing_is_said_of_an_attempt_that_was_taken_over() {
    let world = World::new().await;
    let mut said = world.bus.subscribe(subject::ALL_ENDING_HINTS, None).await.unwrap();
    world.place.script("build", Script::Hold);
    let first = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    first.kill().await;
    let _again = world.runner("a");
    world.place.until(|state| state.adopted.len() == 1).await;
    world.place.end(&key, outcome(Ending::Succeeded)).await;
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    let nothing = tokio::time::timeout(Duration::from_secs(1), said.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_while_much_else_runs() {
    let world = World::new().await;
    let mut said = world.bus.subscribe(subject::ALL_ENDING_HINTS, None).await.unwrap();
    let settings = tidemill_runner::Settings {
        slots: 8,
        ..world.settings("a")
    };
    let _runner = world.runner_with(settings, &world.place);
    for number in 0..6 {
        let name = format!("long-{number}");
        world.place.script(&name, Script::Hold);
        world.dispatch(&name).await;
    }
    world.place.until(|state| state.started.len() == 6).await;
    let key = world.dispatch("build").await;
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    let nothing = tokio::time::timeout(Duration::from_secs(1), said.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
}
