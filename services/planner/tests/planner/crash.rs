//! A planner that is killed at every place in turn; another one goes on.

use std::time::Duration;

use serde_json::json;
use tidemill_planner::Probe;

use crate::fake::Play;
use crate::world::{World, diamond, key};

/// Far more places than any of these runs passes.
const PLACES_MAX: u64 = 500;

/// Kills a planner at place number `place`, starts another, and tells whether the first got there.
async fn killed_at(place: u64, world: &World, name: &str, uid: &str) -> bool {
    let probe = Probe::after(place);
    let first = world.probed(probe.clone());
    let reached = tokio::select! {
        reached = world.until("the probe or the end", async || {
            probe.reached().is_some().then_some(true)
        }) => reached,
        _ = world.ended(name) => probe.reached().is_some(),
    };
    drop(first.task);
    let second = world.planner();
    world.ended(name).await;
    world.audit(name, uid).await;
    second.stop().await;
    reached
}

#[tokio::test(start_paused = true)]
async fn a_run_survives_a_kill_at_every_place() {
    killed_everywhere(World::new).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_runner_gives_no_hints_survives_it_too() {
    killed_everywhere(async || {
        let world = World::new().await;
        world.fake.keep_silent();
        world
    })
    .await;
}

async fn killed_everywhere(world: impl AsyncFn() -> World) {
    let mut visited = 0;
    for place in 1..PLACES_MAX {
        let world = world().await.without_sweep();
        world.fake.play("left", Play::After(Duration::from_secs(1)));
        let uid = world.start("diamond", diamond()).await;
        let reached = killed_at(place, &world, "diamond", &uid).await;
        assert_eq!(world.ended("diamond").await.1, "Succeeded", "killed at place {place}");
        assert_eq!(world.fake.executed().len(), 4, "killed at place {place}");
        if !reached {
            break;
        }
        visited = place;
    }
    assert!((20..PLACES_MAX - 1).contains(&visited), "{visited} places");
}

/// The facts that the dead planner held come again only after a while; the run may be over before.
#[tokio::test(start_paused = true)]
async fn a_planner_beside_the_killed_one_ends_no_run_before_its_tasks() {
    let mut visited = 0;
    for place in 1..PLACES_MAX {
        let world = World::new().await.without_sweep();
        world.fake.play("left", Play::After(Duration::from_millis(500)));
        let probe = Probe::after(place);
        // The one that joins last reads the facts; the other one waits.
        let second = world.planner();
        let first = world.probed(probe.clone());
        let uid = world.start("diamond", diamond()).await;
        world.ended("diamond").await;
        world.audit("diamond", &uid).await;
        second.stop().await;
        drop(first.task);
        if probe.reached().is_none() {
            break;
        }
        visited = place;
    }
    assert!((10..PLACES_MAX - 1).contains(&visited), "{visited} places");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_survives_a_kill_at_every_place() {
    let mut visited = 0;
    for place in 1..PLACES_MAX {
        let world = World::new().await.without_sweep();
        for task in ["left", "right"] {
            world.fake.play(task, Play::Hold);
        }
        let uid = world.start("diamond", diamond()).await;
        let before = world.planner();
        world
            .until("both tasks run", async || {
                (world.fake.executed().len() == 3).then_some(())
            })
            .await;
        before.crash().await;
        let cancel = json!({"spec": {"status": "Cancelled"}});
        let part = tidemill_objects::Part::Main;
        world
            .objects
            .merge_patch(&key("pipelineruns", "diamond"), cancel, part)
            .await
            .unwrap();
        let reached = killed_at(place, &world, "diamond", &uid).await;
        assert_eq!(world.ended("diamond").await.1, "Cancelled", "killed at place {place}");
        if !reached {
            break;
        }
        visited = place;
    }
    assert!((8..PLACES_MAX - 1).contains(&visited), "{visited} places");
}
