//! The same runner on a real nats-server that syncs every write.

use std::time::{Duration, Instant};

use tidemill_kit::NatsServer;
use tidemill_messages::{CancelReason, Ending, stream};

use crate::place::{Script, outcome};
use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_are_played_once_and_leave_two_messages_each() {
    let server = NatsServer::start().unwrap();
    let world = World::on(&server).await;
    let _runner = world.runner("a");
    let mut keys = Vec::new();
    for n in 0..40 {
        keys.push(world.dispatch(&format!("t-{n}")).await);
    }
    for key in &keys {
        assert_eq!(world.ending(key).await, Ending::Succeeded);
    }
    assert_eq!(world.place.look(|state| state.started.len()), 40);
    assert_eq!(world.all(stream::CLAIMS, "claim.>").await.len(), 40);
    assert_eq!(world.all(stream::FACTS, "fact.>").await.len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_takes_no_attempt_along() {
    let mut server = NatsServer::start().unwrap();
    let world = World::on(&server).await;
    world.place.script("build", Script::Hold);
    world.place.script("cancelled", Script::Hold);
    let _runner = world.runner("a");
    let key = world.dispatch("build").await;
    let cancelled = world.dispatch("cancelled").await;
    world.place.until(|state| state.started.len() == 2).await;
    server.kill().unwrap();
    world.place.end(&key, outcome(Ending::Succeeded)).await;
    server.restart().unwrap();
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    world.cancel(&cancelled, CancelReason::Cancelled).await;
    assert_eq!(world.ending(&cancelled).await, Ending::Cancelled);
    assert_eq!(world.place.look(|state| state.started.len()), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_dies_is_followed_by_its_next_life() {
    let server = NatsServer::start().unwrap();
    let world = World::on(&server).await;
    let settings = tidemill_runner::Settings {
        slots: 1,
        ..world.settings("a")
    };
    world.place.script("first", Script::Hold);
    let runner = world.runner_with(settings.clone(), &world.place);
    let first = world.dispatch("first").await;
    world.place.until(|state| state.started.len() == 1).await;
    let waiting = world.dispatch("waiting").await;
    runner.kill().await;
    let died_at = Instant::now();
    let _again = world.runner_with(settings, &world.place);
    world.place.until(|state| state.adopted.len() == 1).await;
    world.place.end(&first, outcome(Ending::Succeeded)).await;
    assert_eq!(world.ending(&first).await, Ending::Succeeded);
    assert_eq!(world.ending(&waiting).await, Ending::Succeeded);
    assert!(died_at.elapsed() < Duration::from_secs(5), "{:?}", died_at.elapsed());
    let started = world.place.look(|state| state.started.clone());
    assert_eq!(started, [first, waiting]);
}
