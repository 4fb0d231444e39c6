//! The same on a real nats-server that syncs every write.

use std::time::Duration;

use tidemill_bus::{Bus, Connect};
use tidemill_kit::NatsServer;
use tidemill_messages::stream::{FACTS, RUNS};
use tidemill_messages::{AttemptKey, subject};

use crate::fake::Play;
use crate::world::{World, diamond, pipeline, task};

/// How long anything may take by the real clock.
const PATIENCE: Duration = Duration::from_secs(60);

/// Far above what two round trips take; far below any poll or pause.
const HOP_MAX: Duration = Duration::from_millis(100);

async fn world(server: &NatsServer) -> World {
    let bus = Bus::connect(Connect::new(server.url())).await.expect("connected");
    World::on(bus, PATIENCE).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_end_and_each_task_follows_the_one_before_at_once() {
    let server = NatsServer::start().expect("nats-server");
    let world = world(&server).await;
    let planner = world.planner();
    let names: Vec<String> = (0..40).map(|number| format!("task-{number}")).collect();
    let tasks = names.iter().enumerate().map(|(number, name)| match number {
        0 => task(name, &[]),
        _ => task(name, &[&names[number - 1]]),
    });
    let uid = world.start("chain", pipeline(tasks.collect())).await;
    assert_eq!(world.ended("chain").await.1, "Succeeded");
    world.audit("chain", &uid).await;
    let mut hops = Vec::new();
    for pair in names.windows(2) {
        let finished = subject::attempt_fact(&AttemptKey::new(uid.clone(), pair[0].clone(), 0), "finished");
        let next = subject::task(&AttemptKey::new(uid.clone(), pair[1].clone(), 0), "process", 5);
        let finished = world.bus.last(FACTS, &finished).await.unwrap().unwrap();
        let next = world.bus.last(RUNS, &next).await.unwrap().unwrap();
        hops.push(next.time.duration_since(finished.time).unsigned_abs());
    }
    hops.sort();
    let (median, worst) = (hops[hops.len() / 2], hops[hops.len() - 1]);
    println!(
        "fact stored to next task stored: p50 {median:?}, worst of {} {worst:?}",
        hops.len()
    );
    assert!(median < HOP_MAX, "{median:?}");
    planner.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_planner_takes_over_from_one_that_died() {
    let server = NatsServer::start().expect("nats-server");
    let world = world(&server).await;
    let (first, second) = (world.planner(), world.planner());
    world.fake.play("left", Play::After(Duration::from_millis(500)));
    let uid = world.start("diamond", diamond()).await;
    world.until_executed("left/0").await;
    first.crash().await;
    assert_eq!(world.ended("diamond").await.1, "Succeeded");
    world.audit("diamond", &uid).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing() {
    let mut server = NatsServer::start().expect("nats-server");
    let world = world(&server).await;
    let planner = world.planner();
    for name in ["first", "left"] {
        world.fake.play(name, Play::After(Duration::from_millis(500)));
    }
    let uid = world.start("diamond", diamond()).await;
    for name in ["first/0", "left/0"] {
        world.until_executed(name).await;
        server.kill().expect("killed");
        server.restart().expect("restarted");
    }
    assert_eq!(world.ended("diamond").await.1, "Succeeded");
    world.audit("diamond", &uid).await;
    planner.stop().await;
}
