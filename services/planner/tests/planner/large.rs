//! What is too large for one message.

use serde_json::json;
use tidemill_bus::blob;
use tidemill_messages::stream::{BLOBS, RUNS};
use tidemill_messages::subject;

use crate::fake::Play;
use crate::world::{World, pipeline, task};

#[tokio::test(start_paused = true)]
async fn large_results_and_large_tasks_pass_through_blobs() {
    let world = World::new().await;
    let planner = world.planner();
    world.fake.play("big", Play::Result(600 * 1024));
    let result = json!([{"name": "big", "type": "string"}]);
    let mut producer = task("big", &[]);
    producer["taskSpec"]["results"] = result;
    let mut consumer = task("next", &[]);
    consumer["params"] = json!([{"name": "text", "value": "$(tasks.big.results.big)"}]);
    consumer["taskSpec"]["params"] = json!([{"name": "text", "type": "string"}]);
    consumer["taskSpec"]["steps"][0]["env"] = json!([{"name": "TEXT", "value": "$(params.text)"}]);
    let uid = world.start("large", pipeline(vec![producer, consumer])).await;
    assert_eq!(world.ended("large").await.1, "Succeeded");
    let records = world.stored(RUNS, &subject::run_all(&uid)).await;
    let named = records.iter().filter(|stored| stored.header(blob::NAMED).is_some());
    assert!(named.count() >= 2, "the decision and the task are blobs");
    assert!(!world.stored(BLOBS, "blob.>").await.is_empty());
    assert!(world.replay(&uid).await.is_over());
    let shown = world.task_run("large-big").await.unwrap();
    let value = shown.rest["status"]["results"][0]["value"].as_str().unwrap();
    assert!(value.starts_with("(614400 bytes, SHA-256 "), "{value}");
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_tasks_fit_and_cost_no_more_each() {
    let world = World::new().await;
    let planner = world.planner();
    let tasks = (0..1000).map(|number| task(&format!("task-{number}"), &[])).collect();
    let uid = world.start("wide", pipeline(tasks)).await;
    assert_eq!(world.ended("wide").await.1, "Succeeded");
    let state = world.replay(&uid).await;
    assert!(state.is_over());
    assert_eq!(world.fake.executed().len(), 1000);
    let records = world.records(&uid).await;
    let bytes: usize = records.iter().map(|(stored, _)| stored.payload.len()).sum();
    let blobs: usize = world
        .stored(BLOBS, "blob.>")
        .await
        .iter()
        .map(|blob| blob.payload.len())
        .sum();
    assert!(
        bytes + blobs < 6 * 1024 * 1000,
        "{bytes} bytes of records, {blobs} of blobs"
    );
    planner.stop().await;
}

#[tokio::test(start_paused = true)]
async fn snapshots_come_with_the_deltas_and_replay_the_same() {
    let world = World::new().await;
    let planner = world.planner();
    let names: Vec<String> = (0..60).map(|number| format!("task-{number}")).collect();
    let tasks = names.iter().enumerate().map(|(number, name)| match number {
        0 => task(name, &[]),
        _ => task(name, &[&names[number - 1]]),
    });
    let uid = world.start("long", pipeline(tasks.collect())).await;
    assert_eq!(world.ended("long").await.1, "Succeeded");
    world.audit("long", &uid).await;
    let records = world.records(&uid).await;
    let snapshots = records.iter().filter(|(_, record)| record.snapshot.is_some()).count();
    assert!(
        (1..8).contains(&snapshots),
        "{snapshots} snapshots in {} records",
        records.len()
    );
    planner.stop().await;
}
