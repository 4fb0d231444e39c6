//! The deployer against a real API and a real Helm: records as Helm writes them.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod chart;
mod world;

use std::time::Duration;

use serde_json::json;
use tidemill_messages::{ReleaseStatus, Rollback};

use chart::Chart;
use world::World;

/// A release's life by hand, under two deployers of which one is killed on the way.
async fn by_hand(world: &World) {
    let chart = Chart::new("by-hand");
    let first = world.deployer().await;
    let second = world.deployer().await;
    world.helm(&["install", "by-hand"], &chart, &[]).await.unwrap();
    world.event("by-hand", 1, "deployed").await;
    world.event("by-hand", 1, "verified").await;
    world
        .helm(&["upgrade", "by-hand"], &chart, &["--set", "text=two"])
        .await
        .unwrap();
    world.event("by-hand", 2, "deployed").await;
    let failing = ["--set", "workload=true", "--wait", "--timeout", "2s"];
    let told = world.helm(&["upgrade", "by-hand"], &chart, &failing).await.unwrap_err();
    assert!(told.contains("UPGRADE FAILED"), "{told}");
    first.crash().await;
    world.helm_alone(&["rollback", "by-hand", "2"]).await.unwrap();
    world.event("by-hand", 4, "deployed").await;
    let third = world.deployer().await;
    world.helm_alone(&["uninstall", "by-hand"]).await.unwrap();
    for revision in 1..=4 {
        world.event("by-hand", revision, "removed").await;
    }
    let failed = world.event("by-hand", 3, "failed").await;
    assert_eq!(failed.chart, "by-hand-0.1.0");
    assert!(failed.description.contains("failed"), "{}", failed.description);
    let cause = failed.cause.expect("a cause");
    assert_eq!(cause.object, "deployment by-hand", "{cause}");
    assert_eq!(world.event("by-hand", 4, "rolled-back").await.rollback_to, 2);
    let said = world.said("by-hand").await;
    for (what, count) in &said {
        assert_eq!(*count, 1, "{what}");
    }
    for what in [
        "1 pending-install",
        "1 superseded",
        "2 pending-upgrade",
        "2 superseded",
        "3 pending-upgrade",
        "4 pending-rollback",
        "4 uninstalling",
    ] {
        assert!(said.contains_key(what), "{what} among {said:?}");
    }
    second.crash().await;
    third.crash().await;
}

/// Helm is killed in the middle: the next one is refused, until the release is unlocked.
async fn left_pending(world: &World) {
    let chart = Chart::new("left");
    let deployer = world.deployer().await;
    world.helm(&["install", "left"], &chart, &[]).await.unwrap();
    world.event("left", 1, "verified").await;
    let started = world.now();
    let mut killed = world.start(
        &["upgrade", "left"],
        &chart,
        &["--set", "workload=true", "--wait", "--timeout", "120s"],
    );
    world.event("left", 2, "pending-upgrade").await;
    killed.kill().await.unwrap();
    let refused = world.helm(&["upgrade", "left"], &chart, &[]).await.unwrap_err();
    assert!(refused.contains("another operation"), "{refused}");
    // A person's, as far as anybody can tell: it stays.
    let by_itself = world.ended("left", "one", started, "failed", json!({})).await;
    let answer = world.answer(&by_itself, "release.ended").await;
    assert_eq!(answer.status, Some(ReleaseStatus::PendingUpgrade));
    // An attempt of ours that was killed while it was made.
    let report = world.ended("left", "two", started, "killed", json!({})).await;
    let answer = world.answer(&report, "release.ended").await;
    assert_eq!((answer.revision, answer.status), (2, Some(ReleaseStatus::Failed)));
    world.event("left", 2, "unlocked").await;
    assert!(
        world
            .helm_alone(&["history", "left"])
            .await
            .unwrap()
            .contains("left pending-upgrade by attempt 0")
    );
    world.helm(&["upgrade", "left"], &chart, &[]).await.unwrap();
    world.event("left", 3, "deployed").await;
    deployer.crash().await;
}

/// A failed upgrade goes back by the TaskRun's own script.
async fn rolled_back(world: &World) {
    let chart = Chart::new("auto");
    let deployer = world.deployer().await;
    world.helm(&["install", "auto"], &chart, &[]).await.unwrap();
    world.event("auto", 1, "verified").await;
    let started = world.now();
    let failing = ["--set", "workload=true", "--wait", "--timeout", "2s"];
    world.helm(&["upgrade", "auto"], &chart, &failing).await.unwrap_err();
    let report = world
        .ended("auto", "deploy", started, "failed", json!({"rollback": true}))
        .await;
    let answer = world.answer(&report, "release.ended").await;
    let Rollback::Running { task_run, to: 1, .. } = &answer.rollback else {
        panic!("{answer:?}")
    };
    world.play(task_run).await;
    let last = world.answer(&report, "release.settled").await;
    assert_eq!(last.rollback, Rollback::Done { to: 1 });
    world.event("auto", 3, "rolled-back").await;
    deployer.crash().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_s_own_records_are_understood() {
    let Some(world) = World::new().await else {
        eprintln!(
            "SKIPPED: a Kubernetes API needs etcd, Go and deploy/tools/kubernetes, which builds for ten minutes once"
        );
        return;
    };
    let all = async {
        by_hand(&world).await;
        left_pending(&world).await;
        rolled_back(&world).await;
    };
    tokio::time::timeout(Duration::from_secs(300), all)
        .await
        .expect("an end in time");
}
