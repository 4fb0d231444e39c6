//! What a planner that waits is told, and what is done about what an attempt left behind.

use serde_json::json;
use tidemill_deployer::Probe;
use tidemill_messages::{ReleaseStatus, Rollback};

use crate::world::World;

/// Far more places than any of these passes.
const PLACES_MAX: u64 = 100;

#[tokio::test(start_paused = true)]
async fn a_failed_deployment_is_told_with_its_cause_and_its_events_name_the_attempt() {
    let world = World::new().await;
    world.helm(1, "deployed", "Install complete");
    let deployer = world.deployer();
    world.event(1, "verified").await;
    world.tell("started", json!({})).await;
    world.pause(1).await;
    world.helm(2, "pending-upgrade", "Preparing upgrade");
    world.event(2, "pending-upgrade").await;
    world.api.deployment("demo", false);
    world.pause(30).await;
    world.helm(2, "failed", "Upgrade \"demo\" failed: timed out");
    let report = world.ended(31, "failed", json!({})).await;
    let answer = world.answer(&report, "release.ended").await;
    assert_eq!((answer.revision, answer.status), (2, Some(ReleaseStatus::Failed)));
    assert_eq!(answer.rollback, Rollback::None);
    let cause = "pod demo-7c9d: container demo: CrashLoopBackOff: exit 2: \"no such file: config.yaml\"";
    assert_eq!(answer.cause, cause);
    let event = world.event(2, "failed").await;
    assert_eq!(event.cause.unwrap().to_string(), cause);
    assert_eq!(event.actor, Some(report.actor()));

    // The pipeline's own task goes back.
    world.helm(3, "deployed", "Rollback to 1");
    let report = world
        .tell(
            "settled",
            json!({"startedAt": report.started_at.to_string(), "answerBy": world.now().to_string()}),
        )
        .await;
    let answer = world.answer(&report, "release.settled").await;
    assert_eq!(answer.rollback, Rollback::Done { to: 1 });
    deployer.crash().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_said_to_be_none() {
    let world = World::new().await;
    let deployer = world.deployer();
    let report = world.ended(5, "failed", json!({})).await;
    let answer = world.answer(&report, "release.ended").await;
    assert_eq!((answer.revision, answer.status), (0, None));
    deployer.crash().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_who_does_not_wait() {
    let world = World::new().await;
    world.helm(1, "failed", "Install failed");
    let deployer = world.deployer();
    let report = world.ended(5, "failed", json!({"answerBy": null})).await;
    world.pause(60).await;
    assert_eq!(world.answered(&report).await.len(), 0);
    deployer.crash().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_attempt_left_pending_is_unlocked() {
    let world = World::new().await;
    let deployer = world.deployer();
    world.watched().await;
    world.helm(1, "pending-install", "Initial install underway");
    let report = world.ended(5, "killed", json!({})).await;
    let answer = world.answer(&report, "release.ended").await;
    assert_eq!((answer.revision, answer.status), (1, Some(ReleaseStatus::Failed)));
    assert_eq!(world.api.status("demo", 1), "failed");
    let unlocked = world.event(1, "unlocked").await;
    assert_eq!(
        unlocked.description,
        "left pending-install by attempt 0 of task \"deploy\" of run ci/r, which is over"
    );
    world.event(1, "failed").await;
    deployer.crash().await;
}

#[tokio::test(start_paused = true)]
async fn what_others_are_at_is_left_alone() {
    for (end, before, status) in [
        // Begun before the attempt.
        ("killed", 60, "pending-upgrade"),
        // The attempt met somebody at work, and ended by itself.
        ("failed", 5, "pending-upgrade"),
        // Nothing is pending.
        ("killed", 5, "deployed"),
    ] {
        let world = World::new().await;
        let deployer = world.deployer();
        world.watched().await;
        world.helm(2, status, "by hand");
        world.pause(before).await;
        let report = world.ended(5, end, json!({})).await;
        let answer = world.answer(&report, "release.ended").await;
        assert_eq!(answer.status.map(ReleaseStatus::as_str), Some(status), "{end} {before}");
        assert_eq!(world.api.status("demo", 2), status, "{end} {before}");
        deployer.crash().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployer_killed_while_it_unlocks_is_followed_by_one_that_finishes() {
    let mut visited = 0;
    for place in 1..PLACES_MAX {
        let world = World::new().await;
        world.helm(1, "deployed", "Install complete");
        let probe = Probe::after(place);
        let first = world.probed(probe.clone());
        world.watched().await;
        world.helm(2, "pending-upgrade", "Preparing upgrade");
        let report = world.ended(5, "killed", json!({})).await;
        world.pause(30).await;
        let reached = probe.reached();
        let second = world.deployer();
        let answer = world.answer(&report, "release.ended").await;
        assert_eq!(answer.status, Some(ReleaseStatus::Failed), "killed at place {place}");
        world.event(2, "failed").await;
        world.pause(30).await;
        for (what, count) in world.said().await {
            assert_eq!(count, 1, "{what}, killed at place {place}");
        }
        first.crash().await;
        second.crash().await;
        if !reached {
            break;
        }
        visited = place;
    }
    assert!((4..PLACES_MAX - 1).contains(&visited), "{visited} places");
}
