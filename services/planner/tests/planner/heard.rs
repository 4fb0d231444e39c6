//! Ends of attempts that are heard before they are stored.

use std::time::Duration;

use tidemill_messages::stream::FACTS;
use tidemill_messages::{AttemptKey, subject};

use crate::fake::Play;
use crate::world::{World, diamond};

#[tokio::test(start_paused = true)]
async fn what_was_heard_and_never_stored_is_decided_once() {
    let world = World::new().await.without_sweep();
    world.fake.play("left", Play::Say);
    world.fake.play("right", Play::After(Duration::from_millis(100)));
    let first = world.planner();
    let uid = world.start("diamond", diamond()).await;
    assert_eq!(world.ended("diamond").await.1, "Succeeded");
    world.audit("diamond", &uid).await;
    let left = subject::attempt_fact(&AttemptKey::new(uid, "left", 0), "finished");
    assert!(world.bus.last(FACTS, &left).await.unwrap().is_none());
    first.stop().await;
}

#[tokio::test(start_paused = true)]
async fn facts_that_come_after_their_hint_are_acknowledged_and_change_nothing() {
    let world = World::new().await.without_sweep();
    let planner = world.planner();
    let uid = world.start("diamond", diamond()).await;
    assert_eq!(world.ended("diamond").await.1, "Succeeded");
    world.audit("diamond", &uid).await;
    // Each end was decided as it was heard: no record names its fact.
    let records = world.records(&uid).await;
    let named: usize = records.iter().map(|(_, record)| record.facts.len()).sum();
    assert_eq!(named, 1, "only the creation of the run was decided on as stored");
    planner.stop().await;
    // A planner that comes after it is given nothing again.
    let before = records.len();
    world.fake.forget();
    let next = world.planner();
    let other = world.start("another", diamond()).await;
    world.ended("another").await;
    world.audit("another", &other).await;
    assert_eq!(world.records(&uid).await.len(), before);
    next.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_planner_that_does_not_know_the_run_leaves_the_hint_alone() {
    let world = World::new().await.without_sweep();
    world.fake.play("left", Play::After(Duration::from_secs(1)));
    let first = world.planner();
    let uid = world.start("diamond", diamond()).await;
    world.until_executed("left/0").await;
    first.crash().await;
    // Nobody hears how left ends; the next planner reads it.
    let finished = subject::attempt_fact(&AttemptKey::new(uid.clone(), "left", 0), "finished");
    world
        .until("left ended", async || {
            world.bus.last(FACTS, &finished).await.ok().flatten().map(drop)
        })
        .await;
    let second = world.planner();
    assert_eq!(world.ended("diamond").await.1, "Succeeded");
    world.audit("diamond", &uid).await;
    second.stop().await;
}
