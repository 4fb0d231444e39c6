//! Runs that are over go when they are too many or too old.

use std::time::Duration;

use tidemill_settings::Span;

use crate::fake::Play;
use crate::world::{World, pipeline, task};

#[tokio::test(start_paused = true)]
async fn the_newest_stay_and_what_runs_stays() {
    let mut world = World::new().await;
    world.settings.retention_runs = 2;
    // The pretended runner renews no lease.
    world.settings.lost_after = Span::days(1);
    let planner = world.planner();
    world.fake.play("slow", Play::After(Duration::from_secs(7200)));
    world.start("slow", pipeline(vec![task("slow", &[])])).await;
    for number in 0..4 {
        let name = format!("run-{number}");
        world.start(&name, pipeline(vec![task("quick", &[])])).await;
        world.ended(&name).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.fake.forget();
    }
    world
        .until("the oldest are gone", async || {
            let old = [world.run("run-0").await, world.run("run-1").await];
            old.iter().all(Option::is_none).then_some(())
        })
        .await;
    for name in ["run-2", "run-3", "slow"] {
        assert!(world.run(name).await.is_some(), "{name} is gone");
    }
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_goes() {
    let mut world = World::new().await;
    world.settings.retention_age = Span::days(1);
    let planner = world.planner();
    world.start("old", pipeline(vec![task("quick", &[])])).await;
    world.ended("old").await;
    tokio::time::sleep(Duration::from_secs(20 * 3600)).await;
    assert!(world.run("old").await.is_some());
    tokio::time::sleep(Duration::from_secs(5 * 3600)).await;
    world
        .until("it is gone", async || world.run("old").await.is_none().then_some(()))
        .await;
    planner.stop().await;
}
