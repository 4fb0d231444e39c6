//! The API beside kube-apiserver and etcd that serve the same kind as a custom resource, both synced.
//!
//! `TIDEMILL_KUBERNETES` names the folder of kube-apiserver (`deploy/tools/kubernetes` prints it); without
//! it the measure is skipped aloud.

mod client;
mod rival;

use std::future::Future;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use self::client::Client;
use self::rival::Rival;
use crate::figure::{Aim, Figure};
use crate::stage::Stage;

const RUNS: &str = "/apis/tekton.dev/v1/namespaces/default/pipelineruns";
/// Objects that are listed.
const OBJECTS: usize = 10_000;
const PAGE_LENGTH: usize = 500;
/// Objects of the kind whose watch is started.
const WATCHED: usize = 100;
const WATCHED_PATH: &str = "/apis/tekton.dev/v1/namespaces/default/pipelines";
/// Writers that fill the stores.
const WRITERS: usize = 16;
const SAMPLES: usize = 300;
const LISTS: usize = 7;

/// Measures gets, creates, lists and the start of watches; and memory.
pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let Some(kubernetes) = std::env::var_os("TIDEMILL_KUBERNETES").map(PathBuf::from) else {
        eprintln!("SKIPPED: TIDEMILL_KUBERNETES is not set: `make bench-api` sets it by deploy/tools/kubernetes");
        return Ok(Vec::new());
    };
    let stage = Stage::start()?;
    let rival = Rival::start(&kubernetes)?;
    runtime.block_on(async {
        let ours = Client::of_kubeconfig(&stage.state().join("kubeconfig")).await?;
        let theirs = rival.client().await?;
        for client in [&ours, &theirs] {
            fill(client).await?;
        }
        let mut figures = vec![
            figure("get a run", 1.0, in_turn(SAMPLES, &ours, &theirs, get).await?),
            figure("create a run", 1.0, in_turn(SAMPLES, &ours, &theirs, create).await?),
            figure(
                "list 10,000 runs in pages of 500",
                1.0,
                in_turn(LISTS, &ours, &theirs, list).await?,
            ),
            figure(
                "start a watch of 100 objects",
                1.0,
                in_turn(SAMPLES, &ours, &theirs, start_watch).await?,
            ),
        ];
        figures.push(Figure {
            name: "memory with 10,300 runs".into(),
            floor_name: "kube-apiserver and etcd; ours: all of `tidemill up` and nats-server".into(),
            unit: "MiB",
            ours: vec![stage.memory_mib()?],
            floor: vec![rival.memory_mib()?],
            aims: vec![Aim::Ratio(1.0)],
        });
        Ok(figures)
    })
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

async fn fill(client: &Client) -> Result<()> {
    let writers = (0..WRITERS).map(|writer| async move {
        for number in (writer..OBJECTS).step_by(WRITERS) {
            client.post(RUNS, &run(&format!("run-{number:05}"))).await?;
        }
        Ok::<_, anyhow::Error>(())
    });
    futures::future::try_join_all(writers).await?;
    for number in 0..WATCHED {
        let pipeline = json!({
            "apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": format!("pipeline-{number}")},
            "spec": {"tasks": [{"name": "a", "taskRef": {"name": "a"}}]},
        });
        client.post(WATCHED_PATH, &pipeline).await?;
    }
    Ok(())
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

/// From the request to the bookmark that ends the first events.
async fn start_watch(client: &Client, _: usize) -> Result<()> {
    let path = format!(
        "{WATCHED_PATH}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    );
    let events = client.watch_until(&path, "k8s.io/initial-events-end").await?;
    ensure!(events > WATCHED, "only {events} events");
    Ok(())
}
