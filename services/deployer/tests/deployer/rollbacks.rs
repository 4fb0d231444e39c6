//! The deployer's own rollback.

use serde_json::json;
use tidemill_deployer::Probe;
use tidemill_messages::Rollback;
use tidemill_objects::{Key, Part};
use tidemill_resources::Object;

use crate::world::World;

/// Far more places than any of these passes.
const PLACES_MAX: u64 = 100;

fn key() -> Key {
    Key {
        group: "tekton.dev".to_owned(),
        resource: "taskruns".to_owned(),
        namespace: "ci".to_owned(),
        name: "r-deploy-rollback".to_owned(),
    }
}

/// Revision 1 is verified, revision 2 fails under an attempt.
async fn fallen(world: &World) -> tidemill_messages::DeployReport {
    world.event(1, "verified").await;
    world.pause(5).await;
    world.helm(2, "failed", "Upgrade \"demo\" failed");
    world.ended(4, "failed", json!({"rollback": true})).await
}

async fn task_run(world: &World) -> Object {
    world
        .until("the TaskRun", async || world.objects.get(&key()).await.unwrap())
        .await
}

async fn ends(world: &World, status: &str) {
    let condition = json!({"type": "Succeeded", "status": status, "reason": "R", "message": "as told"});
    let patch = json!({"status": {"conditions": [condition]}});
    world.objects.merge_patch(&key(), patch, Part::Status).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failed_release_goes_back_by_a_task_run_that_is_seen() {
    let world = World::new().await;
    world.helm(1, "deployed", "Install complete");
    let deployer = world.deployer();
    let report = fallen(&world).await;
    let run = serde_json::to_value(task_run(&world).await).unwrap();
    assert_eq!(run["spec"]["serviceAccountName"], "bot");
    assert_eq!(run["spec"]["podTemplate"]["imagePullSecrets"][0]["name"], "harbor");
    assert_eq!(run["metadata"]["annotations"]["tidemill.dev/class"], "kubernetes");
    let step = &run["spec"]["taskSpec"]["steps"][0];
    assert_eq!(step["image"], "helm:3");
    let variables: Vec<&str> = step["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["value"].as_str().unwrap())
        .collect();
    assert_eq!(variables, ["demo", "1", "ops", "300s"]);
    let first = world.answer(&report, "release.ended").await;
    assert!(matches!(first.rollback, Rollback::Running { to: 1, .. }), "{first:?}");
    assert_eq!(world.event(2, "rollback-started").await.rollback_to, 1);
    world.helm(3, "deployed", "Rollback to 1");
    ends(&world, "True").await;
    let last = world.answer(&report, "release.settled").await;
    assert_eq!(last.rollback, Rollback::Done { to: 1 });
    world.event(3, "rolled-back").await;
    deployer.crash().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_is_an_end() {
    let world = World::new().await;
    world.helm(1, "deployed", "Install complete");
    let deployer = world.deployer();
    let report = fallen(&world).await;
    task_run(&world).await;
    ends(&world, "False").await;
    let last = world.answer(&report, "release.settled").await;
    let message = "R: as told".to_owned();
    assert_eq!(last.rollback, Rollback::Failed { message });
    world.event(2, "rollback-failed").await;
    deployer.crash().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_never_ends_is_given_up() {
    let world = World::new().await;
    world.helm(1, "deployed", "Install complete");
    let deployer = world.deployer();
    let report = fallen(&world).await;
    let last = world.answer(&report, "release.settled").await;
    assert!(matches!(&last.rollback, Rollback::Failed { message } if message.contains("not over in time")));
    deployer.crash().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_verified_revision_there_is_nothing_to_go_back_to() {
    for (before, why) in [
        (false, "it is the first revision"),
        (true, "no revision before it was ever verified"),
    ] {
        let world = World::new().await;
        let deployer = world.deployer();
        world.watched().await;
        world.api.deployment("demo", false);
        if before {
            world.helm(1, "deployed", "Install complete");
            world.pause(60).await;
        }
        world.helm(2, "failed", "Upgrade \"demo\" failed");
        let report = world.ended(5, "failed", json!({"rollback": true})).await;
        let answer = world.answer(&report, "release.ended").await;
        let Rollback::Failed { message } = answer.rollback else {
            panic!("{answer:?}")
        };
        assert_eq!(message, format!("there is nothing to go back to: {why}"));
        assert!(world.objects.get(&key()).await.unwrap().is_none());
        deployer.crash().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_attempt_did_not_touch_is_not_rolled_back() {
    let world = World::new().await;
    world.helm(1, "superseded", "Install complete");
    world.helm(2, "failed", "Upgrade \"demo\" failed");
    let deployer = world.deployer();
    world.pause(600).await;
    let report = world.ended(5, "failed", json!({"rollback": true})).await;
    let answer = world.answer(&report, "release.ended").await;
    assert!(matches!(&answer.rollback, Rollback::Failed { message } if message.contains("older than the attempt")));
    deployer.crash().await;
}

#[tokio::test(start_paused = true)]
async fn a_deployer_killed_anywhere_is_followed_by_one_that_goes_on() {
    let mut visited = 0;
    for place in 1..PLACES_MAX {
        let world = World::new().await;
        world.helm(1, "deployed", "Install complete");
        let early = world.deployer();
        world.event(1, "verified").await;
        early.crash().await;
        let probe = Probe::after(place);
        let first = world.probed(probe.clone());
        let report = fallen(&world).await;
        world.pause(30).await;
        let second = world.deployer();
        task_run(&world).await;
        world.pause(30).await;
        world.helm(3, "deployed", "Rollback to 1");
        ends(&world, "True").await;
        let last = world.answer(&report, "release.settled").await;
        assert_eq!(last.rollback, Rollback::Done { to: 1 }, "killed at place {place}");
        world.answer(&report, "release.ended").await;
        world.event(3, "rolled-back").await;
        world.event(2, "failed").await;
        world.pause(60).await;
        for (what, count) in world.said().await {
            assert_eq!(count, 1, "{what}, killed at place {place}");
        }
        let reached = probe.reached();
        first.crash().await;
        second.crash().await;
        if !reached {
            break;
        }
        visited = place;
    }
    assert!((5..PLACES_MAX - 1).contains(&visited), "{visited} places");
}
