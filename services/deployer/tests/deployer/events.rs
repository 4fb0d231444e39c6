//! What is said of releases, and how often.

use std::collections::BTreeMap;

use tidemill_deployer::Probe;

use crate::world::World;

/// Far more places than any of these passes.
const PLACES_MAX: u64 = 200;

fn counted(said: &[(&str, usize)]) -> BTreeMap<String, usize> {
    said.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect()
}

/// A release's life as by hand: installed, upgraded, failed, rolled back, removed.
async fn live(world: &World) {
    world.helm(1, "pending-install", "Initial install underway");
    world.event(1, "pending-install").await;
    world.helm(1, "deployed", "Install complete");
    world.event(1, "verified").await;
    world.helm(2, "pending-upgrade", "Preparing upgrade");
    world.event(2, "pending-upgrade").await;
    world.api.deployment("demo", false);
    world.helm(2, "failed", "Upgrade \"demo\" failed: timed out");
    world.event(2, "failed").await;
    world.helm(3, "pending-rollback", "Rollback to 1");
    world.event(3, "pending-rollback").await;
    world.api.deployment("demo", true);
    world.helm(1, "superseded", "Install complete");
    world.helm(3, "deployed", "Rollback to 1");
    world.event(1, "superseded").await;
    world.event(3, "verified").await;
    for revision in 1..=3 {
        world.api.remove("demo", revision);
    }
    for revision in 1..=3 {
        world.event(revision, "removed").await;
    }
}

fn all_of_it() -> BTreeMap<String, usize> {
    counted(&[
        ("1 pending-install", 1),
        ("1 deployed", 1),
        ("1 verified", 1),
        ("1 superseded", 1),
        ("1 removed", 1),
        ("2 pending-upgrade", 1),
        ("2 failed", 1),
        ("2 removed", 1),
        ("3 pending-rollback", 1),
        ("3 deployed", 1),
        ("3 rolled-back", 1),
        ("3 verified", 1),
        ("3 removed", 1),
    ])
}

#[tokio::test(start_paused = true)]
async fn each_transition_is_said_once_with_its_cause() {
    let world = World::new().await;
    let deployer = world.deployer();
    world.watched().await;
    live(&world).await;
    assert_eq!(world.said().await, all_of_it());
    let failed = world.event(2, "failed").await;
    assert_eq!(
        failed.cause.unwrap().to_string(),
        "pod demo-7c9d: container demo: CrashLoopBackOff: exit 2: \"no such file: config.yaml\""
    );
    assert_eq!((failed.chart.as_str(), failed.actor), ("demo-0.1.0", None));
    assert_eq!(world.event(3, "rolled-back").await.rollback_to, 1);
    deployer.crash().await;
}

#[tokio::test(start_paused = true)]
async fn two_deployers_say_it_once() {
    let world = World::new().await;
    let deployers = [world.deployer(), world.deployer()];
    world.watched().await;
    live(&world).await;
    world.pause(60).await;
    assert_eq!(world.said().await, all_of_it());
    for deployer in deployers {
        deployer.crash().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployer_killed_anywhere_leaves_nothing_unsaid_and_says_nothing_twice() {
    let mut visited = 0;
    for place in 1..PLACES_MAX {
        let world = World::new().await;
        let probe = Probe::after(place);
        let first = world.probed(probe.clone());
        let living = live(&world);
        let next = async {
            world
                .until("the first one's end", async || probe.reached().then_some(()))
                .await;
            world.deployer()
        };
        world.watched().await;
        let reached = {
            let mut living = std::pin::pin!(living);
            tokio::select! {
                biased;
                second = next => {
                    living.await;
                    second.crash().await;
                    true
                }
                () = &mut living => false,
            }
        };
        assert_eq!(world.said().await, all_of_it(), "killed at place {place}");
        first.crash().await;
        if !reached {
            break;
        }
        visited = place;
    }
    assert!((15..PLACES_MAX - 1).contains(&visited), "{visited} places");
}

#[tokio::test(start_paused = true)]
async fn what_was_there_before_is_no_event_but_can_be_gone_back_to() {
    let world = World::new().await;
    world.helm(1, "superseded", "Install complete");
    world.helm(2, "deployed", "Upgrade complete");
    let deployer = world.deployer();
    world.event(2, "verified").await;
    assert_eq!(world.said().await, counted(&[("2 verified", 1)]));
    deployer.crash().await;
    // What happens while nobody watches is said by the next.
    world.helm(2, "superseded", "Upgrade complete");
    world.helm(3, "deployed", "Upgrade complete");
    let deployer = world.deployer();
    world.event(3, "verified").await;
    let said = counted(&[
        ("2 verified", 1),
        ("2 superseded", 1),
        ("3 deployed", 1),
        ("3 verified", 1),
    ]);
    assert_eq!(world.said().await, said);
    deployer.crash().await;
}

#[tokio::test(start_paused = true)]
async fn a_release_of_the_same_name_has_a_life_of_its_own() {
    let world = World::new().await;
    let deployer = world.deployer();
    world.watched().await;
    for life in 1..=2 {
        world.helm(1, "deployed", "Install complete");
        world
            .until("this life's verification", async || {
                (world.said().await.get("1 verified") == Some(&life)).then_some(())
            })
            .await;
        world.api.remove("demo", 1);
        world
            .until("this life's end", async || {
                (world.said().await.get("1 removed") == Some(&life)).then_some(())
            })
            .await;
    }
    assert_eq!(
        world.said().await,
        counted(&[("1 deployed", 2), ("1 verified", 2), ("1 removed", 2)])
    );
    deployer.crash().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_while_nobody_watches_is_said_by_the_next() {
    let world = World::new().await;
    let deployer = world.deployer();
    world.watched().await;
    world.helm(1, "deployed", "Install complete");
    world.event(1, "deployed").await;
    deployer.crash().await;
    world.api.remove("demo", 1);
    let deployer = world.deployer();
    world.event(1, "removed").await;
    deployer.crash().await;
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_is_not_ready_any_more_is_degraded_until_it_is() {
    let world = World::new().await;
    let deployers = [world.deployer(), world.deployer()];
    world.watched().await;
    world.helm(1, "deployed", "Install complete");
    world.event(1, "verified").await;
    for turn in 1..=2 {
        for (ready, status) in [(false, "1 degraded"), (true, "1 recovered")] {
            world.api.deployment("demo", ready);
            world
                .until(status, async || {
                    (world.said().await.get(status) == Some(&turn)).then_some(())
                })
                .await;
            world.pause(60).await;
        }
    }
    let said = counted(&[
        ("1 deployed", 1),
        ("1 verified", 1),
        ("1 degraded", 2),
        ("1 recovered", 2),
    ]);
    assert_eq!(world.said().await, said);
    assert_eq!(
        world.event(1, "degraded").await.cause.unwrap().reason,
        "CrashLoopBackOff"
    );
    for deployer in deployers {
        deployer.crash().await;
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_fail_are_made_again() {
    let world = World::new().await;
    let deployer = world.deployer();
    world.watched().await;
    world.api.fail(&[500, 429, 410, 403]);
    world.helm(1, "deployed", "Install complete");
    world.event(1, "verified").await;
    assert_eq!(world.said().await, counted(&[("1 deployed", 1), ("1 verified", 1)]));
    deployer.crash().await;
}
