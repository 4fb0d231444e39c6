//! What many stored runs cost those that come after them, and what a run that waits holds in memory.

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use tidemill_kit::NatsServer;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::time::{Duration, timeout};

use super::chain::hops_of;
use crate::client::Client;
use crate::figure::{Aim, Figure};
use crate::floor::milliseconds;
use crate::stage::Stage;

const RUNS: &str = "/apis/tekton.dev/v1/namespaces/default/pipelineruns";
/// Room for a hundred thousand runs; none goes by retention.
const SERVER: &str = "jetstream { sync_interval: always, max_file: 16GB, max_mem: 64MB }";
const SETTINGS: [(&str, &str); 2] = [
    ("TIDEMILL_STREAMS_STORE", "12GiB"),
    ("TIDEMILL_PLANNER_RETENTION_RUNS", "10000000"),
];
/// Runs that are not over yet while the store is filled.
const AT_ONCE: usize = 128;
const WRITERS: usize = 16;
/// No run ends for so long: something is wrong.
const STALL: Duration = Duration::from_secs(60);
/// Runs that wait at once.
const ACTIVE: usize = 1_000;
/// Tasks of a chain, and chains with each store.
const LENGTH: usize = 20;
const CHAINS: usize = 11;

pub(crate) fn measure(runtime: &Runtime, count: usize) -> Result<Vec<Figure>> {
    let (mut full, mut empty) = (stage()?, stage()?);
    let filled = runtime.block_on(async { fill(&full.client().await?, count).await });
    filled.context("fill the store")?;
    let (ready, ready_empty) = (full.restart()?, empty.restart()?);
    // What is looked through behind a start is no part of a hop.
    full.settle()?;
    empty.settle()?;
    let memory = [full.own_memory_mib()?, empty.own_memory_mib()?];
    let (mut hops, mut floors) = (Vec::new(), Vec::new());
    for chain in 0..=CHAINS {
        let of_full = hops_of(&full.run(LENGTH, true)?.0);
        let of_empty = hops_of(&empty.run(LENGTH, true)?.0);
        // The first of each warms up.
        if chain > 0 {
            hops.extend(of_full);
            floors.extend(of_empty);
        }
    }
    let before = empty.own_memory_mib()?;
    runtime.block_on(async { wait_in_memory(&empty.client().await?).await })?;
    let active = empty.own_memory_mib()? - before;
    let with = format!("with {count} runs stored");
    Ok(vec![
        figure(format!("hop {with}"), "ms", (hops, floors), Aim::Ratio(1.2)),
        figure(
            format!("`up` to ready {with}"),
            "ms",
            (vec![milliseconds(ready)], vec![milliseconds(ready_empty)]),
            None,
        ),
        figure(
            "memory of a stored run",
            "B",
            (vec![share(memory[0] - memory[1], count)], vec![]),
            Aim::Median(400.0),
        ),
        figure(
            "memory of a run that waits",
            "B",
            (vec![share(active, ACTIVE)], vec![]),
            Aim::Median(65_536.0),
        ),
    ])
}

fn stage() -> Result<Stage> {
    Stage::start_on(NatsServer::start_with(SERVER)?, &SETTINGS)
}

fn figure(
    name: impl Into<String>,
    unit: &'static str,
    (ours, floor): (Vec<f64>, Vec<f64>),
    aim: impl Into<Option<Aim>>,
) -> Figure {
    Figure {
        name: name.into(),
        floor_name: if floor.is_empty() {
            String::new()
        } else {
            "the same on an empty store, in turn".into()
        },
        unit,
        ours,
        floor,
        aims: aim.into().into_iter().collect(),
    }
}

/// Bytes of each of `count`, in so many MiB.
#[expect(clippy::cast_precision_loss, reason = "a few hundred thousand")]
fn share(mib: f64, count: usize) -> f64 {
    mib * 1_048_576.0 / count as f64
}

/// A run of one task `true`, or of one that no runner takes.
fn run(name: &str, class: &str) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
        "metadata": {"name": name, "annotations": {"tidemill.dev/class": class}},
        "spec": {"pipelineSpec": {"tasks": [
            {"name": "only", "taskSpec": {"steps": [{"image": "none", "command": ["true"]}]}},
        ]}},
    })
}

/// Has `count` runs played to their ends, at most [`AT_ONCE`] side by side.
async fn fill(client: &Client, count: usize) -> Result<()> {
    let free = &Semaphore::new(AT_ONCE);
    let write = async {
        let names = (0..count).map(|number| format!("stored-{number:06}"));
        let written = stream::iter(names).map(|name| async move {
            free.acquire().await?.forget();
            client.post(RUNS, &run(&name, "process")).await
        });
        written
            .buffer_unordered(WRITERS)
            .try_for_each(|_| async { Ok(()) })
            .await
    };
    let hear = hear(client, "stored-", "True", count, |ended| {
        free.add_permits(1);
        if ended % 10_000 == 0 {
            eprintln!("{ended} runs are stored");
        }
    });
    futures::future::try_join(write, hear).await.map(drop)
}

/// Creates [`ACTIVE`] runs whose task waits for a runner that never comes, and hears that all were begun.
async fn wait_in_memory(client: &Client) -> Result<()> {
    for number in 0..ACTIVE {
        client.post(RUNS, &run(&format!("waits-{number}"), "nobody")).await?;
    }
    hear(client, "waits-", "Unknown", ACTIVE, |_| {}).await
}

/// Watches until `count` runs whose names begin with `prefix` had the condition `wanted`, and tells of each how many they
/// are. None may fail.
async fn hear(client: &Client, prefix: &str, wanted: &str, count: usize, tell: impl Fn(usize)) -> Result<()> {
    let (mut found, mut version) = (HashSet::new(), "0".to_owned());
    while found.len() < count {
        let path = format!("{RUNS}?watch=true&resourceVersion={version}");
        let mut events = Box::pin(client.events(&path).await?);
        while found.len() < count
            && let Some(event) = timeout(STALL, events.try_next())
                .await
                .context("nothing happens any more")??
        {
            let object = &event["object"];
            version = object["metadata"]["resourceVersion"].as_str().unwrap_or("0").to_owned();
            ensure!(event["type"] != "ERROR", "{event}");
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let condition = &object["status"]["conditions"][0]["status"];
            ensure!(condition != "False", "{object}");
            if condition == wanted && name.starts_with(prefix) && found.insert(name.to_owned()) {
                tell(found.len());
            }
        }
    }
    Ok(())
}
