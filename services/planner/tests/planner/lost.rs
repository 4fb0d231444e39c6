//! What was lost on the way, and runners that are never heard of again.

use std::ops::Range;
use std::time::Duration;

use jiff::SignedDuration;
use tidemill_bus::Message;
use tidemill_messages::claim::Lease;
use tidemill_messages::stream::{CLAIMS, FACTS, RUNS};
use tidemill_messages::{AttemptKey, encode, subject};

use crate::fake::Play;
use crate::world::{World, pipeline, task};

/// A runner lives for so many renewals of its lease.
async fn live(world: &World, incarnation: &str, renewals: Range<u64>) {
    for renewal in renewals {
        renew(world, incarnation, renewal).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}

async fn renew(world: &World, incarnation: &str, renewal: u64) {
    let lease = Lease {
        version: 1,
        runner: "fake".to_owned(),
        incarnation: incarnation.to_owned(),
        classes: vec!["process".to_owned()],
        place: "here".to_owned(),
        slots: 4,
        busy: 1,
        renewal,
        leaving: false,
    };
    let subject = subject::lease("fake");
    let payload = encode(&subject, &lease).expect("the lease is renewed");
    world
        .bus
        .publish(Message::new(subject, payload))
        .await
        .expect("the lease is renewed");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_given_up_when_its_runner_is_silent_for_too_long() {
    let world = World::new().await;
    let planner = world.planner();
    world.fake.play("gone", Play::Die);
    let uid = world.start("gone", pipeline(vec![task("gone", &[])])).await;
    world.until_executed("gone/0").await;
    let started = world.now();
    // Alive for ten minutes: nothing is given up.
    live(&world, "one", 0..200).await;
    assert!(
        world.run("gone").await.unwrap().rest["status"]
            .get("completionTime")
            .is_none()
    );
    assert_eq!(world.ended("gone").await.0, "False");
    let took = world.now().duration_since(started);
    let expected = SignedDuration::from_secs(600 + 290)..SignedDuration::from_secs(600 + 300 + 130);
    assert!(expected.contains(&took), "{took}");
    world.audit("gone", &uid).await;
    let records = world.records(&uid).await;
    let text = serde_json::to_string(&records.last().unwrap().1).unwrap();
    assert!(text.contains("lost") || text.contains("Lost"), "{text}");
    planner.stop().await;
}

/// Nothing of the attempt is left in its place, so the runner that came back has nothing to take up.
#[tokio::test(start_paused = true)]
async fn an_attempt_is_given_up_when_the_next_life_of_its_runner_does_not_take_it_up() {
    let world = World::new().await;
    let planner = world.planner();
    world.fake.play("gone", Play::Die);
    world.start("gone", pipeline(vec![task("gone", &[])])).await;
    world.until_executed("gone/0").await;
    live(&world, "one", 0..20).await;
    let came_back = world.now();
    live(&world, "two", 20..179).await;
    assert_eq!(world.ended("gone").await.0, "False");
    let took = world.now().duration_since(came_back);
    assert!(took <= SignedDuration::from_secs(3 * 160), "{took}");
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_runner_is_not_lost_while_the_planner_was_cut_off() {
    let world = World::new().await;
    let memory = world.memory.clone().unwrap();
    let planner = world.planner();
    world.fake.play("gone", Play::Die);
    world.start("gone", pipeline(vec![task("gone", &[])])).await;
    world.until_executed("gone/0").await;
    memory.set_reachable(false);
    tokio::time::sleep(Duration::from_secs(3000)).await;
    memory.set_reachable(true);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(
        world.run("gone").await.unwrap().rest["status"]
            .get("completionTime")
            .is_none()
    );
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_finished_fact_that_nobody_delivers_is_found() {
    let world = World::new().await;
    let planner = world.planner();
    world.fake.play("only", Play::After(Duration::from_secs(30)));
    let uid = world.start("unheard", pipeline(vec![task("only", &[])])).await;
    world.until_executed("only/0").await;
    planner.crash().await;
    let finished = subject::attempt_fact(&AttemptKey::new(uid.clone(), "only", 0), "finished");
    let fact = world
        .until("it is finished", async || {
            world.bus.last(FACTS, &finished).await.unwrap()
        })
        .await;
    // Somebody takes the fact away from the planners and acknowledges it.
    let partition = tidemill_messages::partition_of(&uid);
    let spec = tidemill_bus::ConsumerSpec {
        stream: FACTS.to_owned(),
        name: format!("planner-{partition}"),
        filters: vec![subject::facts_of_partition(partition)],
        ack_wait: Duration::from_secs(5),
        max_ack_pending: 2048,
        pinned: Some(Duration::from_secs(3)),
        from_start: true,
    };
    let mut thief = world.bus.consumer(&spec).await.unwrap();
    let mut stolen = 0;
    while stolen < fact.sequence {
        for delivery in thief.next_batch(10).await.unwrap() {
            stolen = delivery.message.sequence;
            delivery.ack().await;
        }
    }
    drop(thief);
    let planner = world.planner();
    assert_eq!(world.ended("unheard").await.1, "Succeeded");
    world.audit("unheard", &uid).await;
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_never_dispatched_is() {
    let world = World::new().await;
    world.fake.stop();
    let planner = world.planner();
    let uid = world.start("undone", pipeline(vec![task("only", &[])])).await;
    let tasks = subject::tasks_of_run(&uid);
    world
        .until("it is dispatched", async || {
            (!world.stored(RUNS, &tasks).await.is_empty()).then_some(())
        })
        .await;
    world.bus.purge(RUNS, &tasks, None).await.unwrap();
    world.fake.resume();
    assert_eq!(world.ended("undone").await.1, "Succeeded");
    world.audit("undone", &uid).await;
    assert!(world.stored(CLAIMS, &subject::claims_of_run(&uid)).await.is_empty());
    planner.stop().await;
}
