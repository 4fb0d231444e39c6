//! Planners that start, share and end.

use std::time::Duration;

use serde_json::json;
use tidemill_bus::Message;
use tidemill_engine::Limits;
use tidemill_messages::envelope::{BASE, DECISION_ID};
use tidemill_messages::stream::RUNS;
use tidemill_messages::{AttemptKey, AttemptOutcome, Fact, FactBody, encode, subject};
use tidemill_planner::Record;

use crate::fake::Play;
use crate::world::{World, diamond, pipeline, task};

#[tokio::test(start_paused = true)]
async fn a_planner_that_ends_in_good_order_leaves_the_rest_to_the_next() {
    let world = World::new().await;
    let first = world.planner();
    world.fake.play("first", Play::After(Duration::from_secs(5)));
    let uid = world.start("handed-over", diamond()).await;
    world.until_executed("first/0").await;
    first.stop().await;
    let second = world.planner();
    assert_eq!(world.ended("handed-over").await.1, "Succeeded");
    world.audit("handed-over", &uid).await;
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_standby_takes_over_within_six_seconds() {
    let world = World::new().await;
    let (first, second) = (world.planner(), world.planner());
    world.fake.play("first", Play::After(Duration::from_secs(5)));
    let uid = world.start("taken-over", diamond()).await;
    world.until_executed("first/0").await;
    first.crash().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let finished = world.now();
    assert_eq!(world.ended("taken-over").await.1, "Succeeded");
    let took = world.now().duration_since(finished);
    assert!(took < jiff::SignedDuration::from_secs(6), "{took}");
    world.audit("taken-over", &uid).await;
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn more_runs_than_fit_into_memory_all_end() {
    let mut world = World::new().await;
    world.settings.cached_runs = 4;
    let planner = world.planner();
    let mut uids = Vec::new();
    for number in 0..30 {
        let name = format!("run-{number}");
        let tasks = vec![task("one", &[]), task("two", &["one"])];
        uids.push((world.start(&name, pipeline(tasks)).await, name));
    }
    for (uid, name) in &uids {
        assert_eq!(world.ended(name).await.1, "Succeeded");
        assert!(world.replay(uid).await.is_over());
        assert_eq!(world.stored(RUNS, &subject::tasks_of_run(uid)).await.len(), 2);
    }
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn at_most_so_many_tasks_of_a_run_are_under_way() {
    let mut world = World::new().await;
    world.settings.started_tasks_max = 3;
    world.fake.stop();
    let planner = world.planner();
    let tasks = (0..10).map(|number| task(&format!("task-{number}"), &[])).collect();
    let uid = world.start("fair", pipeline(tasks)).await;
    world
        .until("tasks are dispatched", async || {
            (world.stored(RUNS, &subject::tasks_of_run(&uid)).await.len() >= 3).then_some(())
        })
        .await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.stored(RUNS, &subject::tasks_of_run(&uid)).await.len(), 3);
    world.fake.resume();
    assert_eq!(world.ended("fair").await.1, "Succeeded");
    world.audit("fair", &uid).await;
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_planner_that_others_have_overtaken_looks_again_before_it_drops_a_fact() {
    let world = World::new().await;
    world.fake.stop();
    let planner = world.planner();
    let uid = world
        .start("overtaken", pipeline(vec![task("one", &[]), task("two", &["one"])]))
        .await;
    let tasks = subject::tasks_of_run(&uid);
    world
        .until("one is dispatched", async || {
            (world.stored(RUNS, &tasks).await.len() == 1).then_some(())
        })
        .await;
    // Another planner hears of the end of task one and decides; this one is told nothing of it.
    overtake(&world, &uid).await;
    // What comes now makes no sense to who does not know that.
    let fact = Fact {
        version: 1,
        at: world.now(),
        body: FactBody::AttemptFinished {
            task: "two".to_owned(),
            attempt: 0,
            outcome: succeeded(&world),
        },
    };
    let finished = subject::attempt_fact(&AttemptKey::new(uid.clone(), "two", 0), "finished");
    let payload = encode(&finished, &fact).unwrap();
    world.bus.publish(Message::new(finished, payload)).await.unwrap();
    assert_eq!(world.ended("overtaken").await.1, "Succeeded");
    world.audit("overtaken", &uid).await;
    assert_eq!(
        world.stored(RUNS, &tasks).await.len(),
        2,
        "what the other left undone is done"
    );
    planner.stop().await;
}

fn succeeded(world: &World) -> AttemptOutcome {
    let outcome = json!({"ending": "succeeded", "startedAt": world.now(), "completedAt": world.now()});
    serde_json::from_value(outcome).expect("an outcome")
}

/// Stores the decision that task one is over, and dies.
async fn overtake(world: &World, run_uid: &str) {
    let mut state = world.replay(run_uid).await;
    let fact = tidemill_engine::Fact::AttemptFinished {
        at: world.now(),
        task: "one".to_owned(),
        attempt: 0,
        outcome: succeeded(world),
    };
    let decision = tidemill_engine::step(&mut state, &fact, &Limits::default()).expect("decided");
    let (last, before) = world.records(run_uid).await.pop().expect("a record");
    let record = Record {
        number: before.number + 1,
        id: "another planner's".to_owned(),
        facts: Vec::new(),
        changes: decision.changes,
        effects: decision.effects,
        ..before
    };
    let subject = subject::decision(run_uid);
    let message = Message::new(subject.clone(), encode(&subject, &record).expect("a record"))
        .header(DECISION_ID, &record.id)
        .header(BASE, "0")
        .expecting(last.sequence);
    world.bus.publish(message).await.expect("stored");
}
