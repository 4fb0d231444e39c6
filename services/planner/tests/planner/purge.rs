//! Deleting runs: everything of them goes, whatever state they are in and whoever dies meanwhile.

use tidemill_messages::stream::{CLAIMS, FACTS, LOGS, RUNS, TIMERS};
use tidemill_messages::{AttemptKey, subject};
use tidemill_objects::DeleteOptions;
use tidemill_planner::Probe;

use crate::fake::Play;
use crate::world::{World, diamond, key};

/// Waits until nothing of the run is left anywhere.
async fn gone(world: &World, name: &str, run_uid: &str) {
    let places = [
        (RUNS, subject::run_all(run_uid)),
        (FACTS, subject::facts_of_run(run_uid)),
        (CLAIMS, subject::claims_of_run(run_uid)),
        (TIMERS, subject::timer(run_uid)),
        (TIMERS, subject::due(run_uid)),
        (LOGS, subject::logs_of_run(run_uid)),
    ];
    world
        .until("nothing of the run is left", async || {
            let mut left = usize::from(world.run(name).await.is_some());
            for (stream, filter) in &places {
                left += world.stored(stream, filter).await.len();
            }
            (left == 0).then_some(())
        })
        .await;
}

async fn delete(world: &World, name: &str) {
    let options = DeleteOptions::default();
    world
        .objects
        .delete(&key("pipelineruns", name), &options)
        .await
        .expect("deleted");
}

async fn log_a_line(world: &World, run_uid: &str) {
    let log = subject::log(&AttemptKey::new(run_uid, "first", 0), "step-one");
    world
        .bus
        .publish(tidemill_bus::Message::new(log, "a line"))
        .await
        .expect("the line is stored");
}

#[tokio::test(start_paused = true)]
async fn a_finished_run_goes_with_all_it_had() {
    let world = World::new().await;
    let planner = world.planner();
    let uid = world.start("over", diamond()).await;
    world.ended("over").await;
    world.audit("over", &uid).await;
    log_a_line(&world, &uid).await;
    delete(&world, "over").await;
    gone(&world, "over", &uid).await;
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_running_run_is_cancelled_then_goes() {
    let world = World::new().await;
    let planner = world.planner();
    world.fake.play("first", Play::Hold);
    let uid = world.start("running", diamond()).await;
    world.until_executed("first/0").await;
    delete(&world, "running").await;
    gone(&world, "running", &uid).await;
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_deleted_before_anybody_saw_it_never_starts() {
    let world = World::new().await;
    let uid = world.start("unseen", diamond()).await;
    delete(&world, "unseen").await;
    let planner = world.planner();
    gone(&world, "unseen", &uid).await;
    assert!(world.fake.executed().is_empty());
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_name_may_be_used_again() {
    let world = World::new().await;
    let planner = world.planner();
    let first = world.start("again", diamond()).await;
    world.ended("again").await;
    delete(&world, "again").await;
    gone(&world, "again", &first).await;
    let second = world.start("again", diamond()).await;
    assert_ne!(first, second);
    assert_eq!(world.ended("again").await.1, "Succeeded");
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_survives_a_kill_at_every_place() {
    let mut visited = 0;
    for place in 1..200 {
        let world = World::new().await.without_sweep();
        world.fake.play("first", Play::Hold);
        let uid = world.start("running", diamond()).await;
        let before = world.planner();
        world.until_executed("first/0").await;
        log_a_line(&world, &uid).await;
        before.crash().await;
        delete(&world, "running").await;
        let probe = Probe::after(place);
        let first = world.probed(probe.clone());
        world
            .until("the probe or the end", async || {
                let over = world.run("running").await.is_none();
                (over || probe.reached().is_some()).then_some(())
            })
            .await;
        drop(first.task);
        let second = world.planner();
        gone(&world, "running", &uid).await;
        second.stop().await;
        if probe.reached().is_none() {
            break;
        }
        visited = place;
    }
    assert!((8..199).contains(&visited), "{visited} places");
}
