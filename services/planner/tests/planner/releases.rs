//! A deployment that fails: the planner is killed at every place, the deployer's word comes late,
//! twice or never.

use serde_json::{Value, json};
use tidemill_bus::{Bus, Message};
use tidemill_messages::envelope::VERSION;
use tidemill_messages::fact::{Fact, FactBody};
use tidemill_messages::stream::RUNS;
use tidemill_messages::{DeployReport, DeployStage, ReleaseReport, ReleaseStatus, Rollback, decode, encode, subject};
use tidemill_planner::Probe;
use tokio::task::JoinHandle;

use crate::fake::Play;
use crate::world::{World, pipeline, task};

/// Far more places than the run passes.
const PLACES_MAX: u64 = 500;

fn deploying() -> Value {
    let mut deploy = task("deploy", &[]);
    deploy["taskSpec"]["params"] = json!([{"name": "release_name", "default": "demo"}]);
    deploy["taskSpec"]["results"] = json!([{"name": "helm-status"}]);
    let mut rollback = task("rollback", &[]);
    rollback["when"] =
        json!([{"input": "$(tasks.deploy.results.helm-status)", "operator": "in", "values": ["failed"]}]);
    pipeline(vec![deploy, rollback, task("next", &["deploy"])])
}

/// A deployer that says what it is asked, every time twice.
fn deployer(bus: Bus) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut reader = bus
            .reader(RUNS, subject::ALL_DEPLOYS, 0, false)
            .await
            .expect("a reader");
        loop {
            let stored = reader.next().await.expect("a reader");
            let report: DeployReport = decode(&stored.subject, &stored.payload).expect("a report");
            if report.answer_by.is_none() {
                continue;
            }
            for _ in 0..2 {
                // The second finds the first.
                drop(bus.publish(answer(&bus, &report)).await);
            }
        }
    })
}

fn answer(bus: &Bus, asked: &DeployReport) -> Message {
    let report = ReleaseReport {
        release: asked.release.clone(),
        revision: 5,
        status: Some(ReleaseStatus::Failed),
        cause: String::new(),
        rollback: match asked.stage {
            DeployStage::Settled => Rollback::Done { to: 4 },
            _ => Rollback::None,
        },
    };
    let fact = Fact {
        version: VERSION,
        at: bus.now(),
        body: FactBody::ReleaseObserved {
            task: asked.task.clone(),
            attempt: asked.attempt,
            report,
        },
    };
    let subject = subject::attempt_fact(&asked.key(), &format!("release.{}", asked.stage.as_str()));
    Message::new(subject.clone(), encode(&subject, &fact).expect("a fact")).expecting(0)
}

#[tokio::test(start_paused = true)]
async fn the_guard_fires_wherever_the_planner_is_killed() {
    let mut visited = 0;
    for place in 1..PLACES_MAX {
        let world = World::new().await.without_sweep();
        world.fake.play("deploy", Play::Fail);
        let deployer = deployer(world.bus.clone());
        let uid = world.start("deploying", deploying()).await;
        let probe = Probe::after(place);
        let first = world.probed(probe.clone());
        let reached = tokio::select! {
            reached = world.until("the probe", async || probe.reached().is_some().then_some(true)) => reached,
            _ = world.ended("deploying") => probe.reached().is_some(),
        };
        drop(first.task);
        let second = world.planner();
        let ended = world.ended("deploying").await;
        assert_eq!(ended.1, "RolledBackToRevision4", "killed at place {place}");
        assert_eq!(
            world.fake.executed().keys().collect::<Vec<_>>(),
            ["deploy/0", "rollback/0"],
            "killed at place {place}"
        );
        world.audit("deploying", &uid).await;
        second.stop().await;
        deployer.abort();
        if !reached {
            break;
        }
        visited = place;
    }
    assert!((10..PLACES_MAX - 1).contains(&visited), "{visited} places");
}

#[tokio::test(start_paused = true)]
async fn a_deployer_that_says_nothing_is_waited_for_so_long() {
    let world = World::new().await.without_sweep();
    world.fake.play("deploy", Play::Fail);
    let planner = world.planner();
    let started = world.now();
    let uid = world.start("deploying", deploying()).await;
    assert_eq!(world.ended("deploying").await.1, "Failed");
    let waited = world.now().duration_since(started).as_secs();
    assert!((30..40).contains(&waited), "{waited} s");
    assert_eq!(world.fake.executed().len(), 1);
    world.audit("deploying", &uid).await;
    planner.stop().await;
}
