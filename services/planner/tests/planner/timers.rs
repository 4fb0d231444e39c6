//! Timers that come in time, late, twice, for nothing and not at all.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tidemill_bus::Message;
use tidemill_messages::stream::TIMERS;
use tidemill_messages::subject;

use crate::fake::Play;
use crate::world::{World, pipeline, task};

fn slow() -> serde_json::Value {
    json!({"pipelineSpec": pipeline(vec![task("slow", &[])]), "timeouts": {"pipeline": "2m"}})
}

async fn dispatched(world: &World) {
    world.until_executed("slow/0").await;
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_ends_the_run_in_time() {
    let world = World::new().await;
    let planner = world.planner();
    world.fake.play("slow", Play::Hold);
    let uid = world.start_with("limited", slow()).await;
    dispatched(&world).await;
    let started = world.now();
    assert_eq!(world.ended("limited").await.1, "PipelineRunTimeout");
    let took = world.now().duration_since(started);
    assert!(
        (SignedDuration::from_secs(119)..SignedDuration::from_secs(123)).contains(&took),
        "{took}"
    );
    world.audit("limited", &uid).await;
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_fires_while_no_planner_lives_is_acted_on_later() {
    let world = World::new().await;
    let planner = world.planner();
    world.fake.play("slow", Play::Hold);
    let uid = world.start_with("late", slow()).await;
    dispatched(&world).await;
    planner.crash().await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let planner = world.planner();
    assert_eq!(world.ended("late").await.1, "PipelineRunTimeout");
    world.audit("late", &uid).await;
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn timers_for_nothing_change_nothing() {
    let world = World::new().await;
    let planner = world.planner();
    world.fake.play("slow", Play::After(Duration::from_secs(60)));
    let uid = world.start_with("early", slow()).await;
    dispatched(&world).await;
    let before = world.records(&uid).await.len();
    for _ in 0..3 {
        world.bus.publish(Message::new(subject::due(&uid), "")).await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    // At most: the timer counts as fired, and is set again.
    assert!(world.records(&uid).await.len() <= before + 3);
    assert_eq!(world.ended("early").await.1, "Succeeded");
    world.audit("early", &uid).await;
    let over = world.records(&uid).await.len();
    world.bus.publish(Message::new(subject::due(&uid), "")).await.unwrap();
    world
        .bus
        .publish(Message::new(subject::due("no-such-run"), ""))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(world.records(&uid).await.len(), over);
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_timer_delays_by_a_sweep_and_no_more() {
    let world = World::new().await;
    let planner = world.planner();
    world.fake.play("slow", Play::Hold);
    let uid = world.start_with("lost", slow()).await;
    dispatched(&world).await;
    let started = world.now();
    world
        .until("the timer is set", async || {
            let timer = world.bus.last(TIMERS, &subject::timer(&uid)).await.unwrap();
            timer.map(|_| ())
        })
        .await;
    world.bus.purge(TIMERS, &subject::timer(&uid), None).await.unwrap();
    assert_eq!(world.ended("lost").await.1, "PipelineRunTimeout");
    let took = world.now().duration_since(started);
    assert!(took < SignedDuration::from_secs(120 + 61 + 60), "{took}");
    world.audit("lost", &uid).await;
    planner.stop().await;
}
