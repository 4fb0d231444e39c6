//! The API beside kube-apiserver and etcd that serve the same kind as a custom resource, both synced: each answers a
//! write when it is on the disk.
//!
//! The gateway alone is compared with kube-apiserver alone. A run that is created starts a planner's work; how fast runs
//! are created while all of it is done is a figure of its own.
//!
//! `TIDEMILL_KUBERNETES` names the folder of kube-apiserver (`deploy/tools/kubernetes` prints it); without
//! it the measure is skipped aloud.

mod ours;
mod rival;

use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use self::ours::Ours;
use self::rival::Rival;
use crate::client::Client;
use crate::figure::{Aim, Figure};
use crate::stage::Stage;

const RUNS: &str = "/apis/tekton.dev/v1/namespaces/default/pipelineruns";
/// Objects that are listed.
const OBJECTS: usize = 10_000;
const PAGE_LENGTH: usize = 500;
/// Objects of the kind whose watch is started.
const WATCHED: usize = 100;
const WATCHED_PATH: &str = "/apis/tekton.dev/v1/namespaces/default/pipelines";
/// Writers side by side, and the runs they write between two measurements.
const WRITERS: usize = 16;
const BATCH: usize = 500;
const SAMPLES: usize = 300;
const LISTS: usize = 7;
/// Nothing changed for so long: nobody writes any more.
const SETTLED: Duration = Duration::from_secs(2);
const SETTLE_LIMIT: Duration = Duration::from_secs(120);

/// Measures gets, creates, lists and the start of watches; and memory.
pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let Some(kubernetes) = std::env::var_os("TIDEMILL_KUBERNETES").map(PathBuf::from) else {
        eprintln!("SKIPPED: TIDEMILL_KUBERNETES is not set: `make bench-api` sets it by deploy/tools/kubernetes");
        return Ok(Vec::new());
    };
    let ours = Ours::start()?;
    let rival = Rival::start(&kubernetes)?;
    let (mut figures, theirs) = runtime.block_on(async {
        let theirs = rival.client().await?;
        let figures = alone(&ours, &rival, &theirs).await?;
        Ok::<_, anyhow::Error>((figures, theirs))
    })?;
    drop(ours);
    let stage = Stage::start()?;
    figures.push(runtime.block_on(async {
        let ours = stage.client().await?;
        let samples = bulk(&ours, &theirs, "busy").await?;
        settle(&ours).await?;
        let name = "the same while all of `up` works on them";
        Ok::<_, anyhow::Error>(figure(name, 1.0, samples))
    })?);
    figures.push(memory(
        "memory of all of `up`",
        stage.memory_mib()?,
        rival.memory_mib()?,
    ));
    Ok(figures)
}

fn memory(name: &str, ours: f64, floor: f64) -> Figure {
    Figure {
        name: name.into(),
        floor_name: "kube-apiserver and etcd; ours: with nats-server".into(),
        unit: "MiB",
        ours: vec![ours],
        floor: vec![floor],
        aims: vec![Aim::Ratio(1.0)],
    }
}

/// The gateway beside kube-apiserver.
async fn alone(ours: &Ours, rival: &Rival, theirs: &Client) -> Result<Vec<Figure>> {
    let client = ours.client().await?;
    let in_bulk = bulk(&client, theirs, "run").await?;
    for client in [&client, theirs] {
        furnish(client).await?;
    }
    let mut figures = vec![
        figure("get a run", 1.0, in_turn(SAMPLES, &client, theirs, get).await?),
        figure("create a run", 1.0, in_turn(SAMPLES, &client, theirs, create).await?),
        figure("create 500 runs, 16 writers", 1.0, in_bulk),
        figure(
            "list 10,000 runs in pages of 500",
            1.0,
            in_turn(LISTS, &client, theirs, list).await?,
        ),
        figure(
            "start a watch of 100 objects",
            1.0,
            in_turn(SAMPLES, &client, theirs, start_watch).await?,
        ),
    ];
    figures.push(memory(
        "memory with 10,300 runs",
        ours.memory_mib()?,
        rival.memory_mib()?,
    ));
    Ok(figures)
}

fn figure(name: &str, ratio: f64, (ours, floor): (Vec<f64>, Vec<f64>)) -> Figure {
    Figure {
        name: name.into(),
        floor_name: "the same of kube-apiserver and etcd 3.4, both synced".into(),
        unit: "ms",
        ours,
        floor,
        aims: vec![Aim::Ratio(ratio)],
    }
}

/// Samples in ms, one of each in turn.
async fn in_turn<'a, F: Future<Output = Result<()>>>(
    count: usize,
    ours: &'a Client,
    theirs: &'a Client,
    sample: impl Fn(&'a Client, usize) -> F,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut of_ours, mut of_theirs) = (Vec::new(), Vec::new());
    for number in 0..count {
        for (client, samples) in [(ours, &mut of_ours), (theirs, &mut of_theirs)] {
            let start = Instant::now();
            sample(client, number).await?;
            samples.push(start.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    Ok((of_ours, of_theirs))
}

/// A run that nobody starts.
fn run(name: &str) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
        "metadata": {"name": name, "labels": {"app": "bench", "number": name}},
        "spec": {
            "status": "PipelineRunPending", "pipelineRef": {"name": "some-pipeline"},
            "params": [{"name": "revision", "value": "5bb1a3b0c4ad5e3b"}, {"name": "image", "value": "registry/app"}],
        },
    })
}

/// Ms for [`BATCH`] runs, until there are [`OBJECTS`]; one batch of each in turn.
async fn bulk(ours: &Client, theirs: &Client, prefix: &str) -> Result<(Vec<f64>, Vec<f64>)> {
    in_turn(OBJECTS / BATCH, ours, theirs, |client, batch| {
        fill(client, prefix, batch)
    })
    .await
}

async fn fill(client: &Client, prefix: &str, batch: usize) -> Result<()> {
    let writers = (0..WRITERS).map(|writer| async move {
        for number in (batch * BATCH + writer..(batch + 1) * BATCH).step_by(WRITERS) {
            client.post(RUNS, &run(&format!("{prefix}-{number:05}"))).await?;
        }
        Ok::<_, anyhow::Error>(())
    });
    futures::future::try_join_all(writers).await.map(drop)
}

/// What is watched.
async fn furnish(client: &Client) -> Result<()> {
    for number in 0..WATCHED {
        let pipeline = json!({
            "apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": format!("pipeline-{number}")},
            "spec": {"tasks": [{"name": "a", "taskRef": {"name": "a"}}]},
        });
        client.post(WATCHED_PATH, &pipeline).await?;
    }
    Ok(())
}

/// Waits until everything was said about the runs of ours; no controller says anything about the others.
async fn settle(client: &Client) -> Result<()> {
    let deadline = Instant::now() + SETTLE_LIMIT;
    loop {
        let version = version(client).await?;
        tokio::time::sleep(SETTLED).await;
        if version == self::version(client).await? {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "the runs still change after {SETTLE_LIMIT:?}"
        );
    }
}

async fn version(client: &Client) -> Result<Value> {
    let mut page = client.get(&format!("{RUNS}?limit=1")).await?;
    Ok(page["metadata"]["resourceVersion"].take())
}

async fn get(client: &Client, number: usize) -> Result<()> {
    let object = client.get(&format!("{RUNS}/run-{:05}", number * 31 % OBJECTS)).await?;
    ensure!(object["kind"] == "PipelineRun", "{object}");
    Ok(())
}

async fn create(client: &Client, number: usize) -> Result<()> {
    client.post(RUNS, &run(&format!("more-{number:05}"))).await.map(drop)
}

async fn list(client: &Client, _: usize) -> Result<()> {
    let (mut count, mut token) = (0, String::new());
    loop {
        let page = client
            .get(&format!("{RUNS}?limit={PAGE_LENGTH}&continue={token}"))
            .await?;
        count += page["items"].as_array().map_or(0, Vec::len);
        page["metadata"]["continue"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut token);
        if token.is_empty() {
            ensure!(count >= OBJECTS, "only {count} runs");
            return Ok(());
        }
    }
}

/// From the request to the last of the objects that are there, of whatever version each has in memory: on an etcd that
/// tells no progress kube-apiserver waits in vain for the newest. Without `sendInitialEvents`: kube-apiserver refuses it
/// on an etcd before 3.4.25, which some distributions still have.
async fn start_watch(client: &Client, _: usize) -> Result<()> {
    let path = format!("{WATCHED_PATH}?watch=true&resourceVersion=0");
    client.watch(&path, WATCHED).await
}
