//! Pods of a real cluster, beside bare pods of the same image in the same run.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, DeleteParams, PostParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use tempfile::TempDir;
use tidemill_kit::{Running, command, program, tell};
use tokio::runtime::Runtime;

use crate::figure::{Aim, Figure};
use crate::floor::milliseconds;

/// Tasks of a chain.
const CHAIN: usize = 20;
/// Tasks side by side.
const FAN_OUT: usize = 50;
/// Rounds of ours and floor in turn.
const ROUNDS: usize = 3;
/// An image that is on the node.
const IMAGE: &str = "busybox:1.35";
/// How long `up` may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// Calls that change something, by the API server's own count.
const VERBS: [&str; 5] = ["POST", "PUT", "PATCH", "DELETE", "APPLY"];
/// What a task touches.
const RESOURCES: [&str; 4] = ["pods", "secrets", "serviceaccounts", "persistentvolumeclaims"];

/// A namespace of the cluster and Tidemill for it, both gone with it.
struct Stage {
    up: Running,
    folder: TempDir,
    client: Client,
    namespace: String,
}

pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let stage = runtime.block_on(Stage::start())?;
    let measured = runtime.block_on(stage.measure());
    runtime.block_on(stage.end())?;
    measured
}

impl Stage {
    async fn start() -> Result<Self> {
        let kubeconfig = std::env::var("KUBECONFIG").context("KUBECONFIG names no cluster; see `make cluster-up`")?;
        let client = Client::try_default()
            .await
            .context("a cluster; see `make cluster-up`")?;
        let folder = tempfile::Builder::new().prefix("tidemill-bench-").tempdir()?;
        let (state, bin) = (folder.path().join("state"), folder.path().join("bin"));
        fs::create_dir_all(&state)?;
        fs::create_dir_all(&bin)?;
        fs::copy(program("tidemill-step")?, bin.join("tidemill-step"))?;
        fs::write(
            state.join("tidemill.toml"),
            format!(
                "[planner]\ndefault-class = \"kubernetes\"\n[runner]\nslots = 100\n[runner.kubernetes]\nkubeconfig = \"{kubeconfig}\"\ndelivery = {{ host-path = {{ path = \"{}\" }} }}\n",
                bin.display()
            ),
        )?;
        let namespace = format!("tidemill-bench-{}", std::process::id());
        let made = serde_json::from_value(json!({"metadata": {"name": namespace}}))?;
        Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &made)
            .await?;
        let mut up = Running::start(command(&state, &["up"])?)?;
        up.wait_until_says("Ctrl-C", READY_LIMIT)?;
        ensure!(up.spoken().contains("kubernetes ("), "no cluster: {}", up.spoken());
        let file = folder.path().join("namespace.yaml");
        fs::write(
            &file,
            format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n"),
        )?;
        tell(&state, &["apply", "-f", &file.to_string_lossy()])?;
        Ok(Self {
            up,
            folder,
            client,
            namespace,
        })
    }

    async fn measure(&self) -> Result<Vec<Figure>> {
        // Caches, and the ServiceAccount of the namespace.
        self.bare(1).await?;
        self.run(2, true)?;
        let (mut chains, mut singles, mut fans, mut bares) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut our_writes, mut bare_writes) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            chains.push(milliseconds(self.run(CHAIN, true)?));
            singles.push(milliseconds(self.bare(1).await?) * count(CHAIN));
            let before = self.writes().await?;
            fans.push(milliseconds(self.run(FAN_OUT, false)?));
            let between = self.writes().await?;
            bares.push(milliseconds(self.bare(FAN_OUT).await?));
            let after = self.writes().await?;
            our_writes.push((between - before) / count(FAN_OUT));
            bare_writes.push((after - between) / count(FAN_OUT));
        }
        let memory = resident_mib(self.up.pid())?;
        Ok(vec![
            figure(
                &format!("chain of {CHAIN} pods"),
                &format!("one bare pod, created to Succeeded, {CHAIN} times"),
                "ms",
                (chains, singles),
                Aim::Ratio(0.3),
            ),
            figure(
                &format!("fan-out of {FAN_OUT} pods"),
                &format!("{FAN_OUT} bare pods at once"),
                "ms",
                (fans, bares),
                Aim::Ratio(1.05),
            ),
            figure(
                "API writes a task",
                "of a bare pod",
                "",
                (our_writes, bare_writes),
                Aim::Above(3.0),
            ),
            figure(
                "memory of all services, nats-server apart",
                "",
                "MiB",
                (vec![memory], Vec::new()),
                Aim::Median(80.0),
            ),
        ])
    }

    /// From the command to the end of a run of `true`.
    fn run(&self, tasks: usize, chained: bool) -> Result<Duration> {
        let file = self.folder.path().join("run.yaml");
        fs::write(&file, pipeline(&self.namespace, tasks, chained))?;
        let start = Instant::now();
        tell(
            &self.folder.path().join("state"),
            &["run", "-n", &self.namespace, "-f", &file.to_string_lossy()],
        )?;
        Ok(start.elapsed())
    }

    /// From the first creation to the last Succeeded of bare pods.
    async fn bare(&self, pods: usize) -> Result<Duration> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let names: Vec<String> = (0..pods).map(|index| format!("bare-{index}")).collect();
        // Bookmarks from the beginning are refused where etcd is older than 3.5.
        let parameters = WatchParams::default().labels("bench=bare").disable_bookmarks();
        let mut events = api.watch(&parameters, "0").await?.boxed();
        let start = Instant::now();
        let creating = &api;
        let made = names.iter().map(|name| async move {
            let pod = serde_json::from_value(json!({
                "metadata": {"name": name, "labels": {"bench": "bare"}},
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "a", "image": IMAGE, "command": ["true"]}],
                },
            }))?;
            anyhow::Ok(creating.create(&PostParams::default(), &pod).await?)
        });
        try_join_all(made).await?;
        let mut open: Vec<String> = names.clone();
        while !open.is_empty() {
            match events.try_next().await?.context("the watch ended")? {
                WatchEvent::Modified(pod) if phase(&pod) == Some("Succeeded") => {
                    open.retain(|name| *name != pod.name_any());
                }
                WatchEvent::Error(refused) => bail!("bare pods cannot be watched: {refused:?}"),
                _ => {}
            }
        }
        let took = start.elapsed();
        for name in &names {
            api.delete(name, &DeleteParams::default().grace_period(0)).await?;
        }
        Ok(took)
    }

    /// Calls so far that changed what a task touches.
    async fn writes(&self) -> Result<f64> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let text = self.client.request_text(request).await?;
        let lines = text.lines().filter(|line| line.starts_with("apiserver_request_total{"));
        let fitting = lines.filter(|line| {
            let labels = labels(line);
            let is = |name: &str, of: &[&str]| labels.get(name).is_some_and(|value| of.contains(value));
            is("verb", &VERBS) && is("resource", &RESOURCES)
        });
        Ok(fitting
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }

    async fn end(self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        drop(self.up);
        namespaces.delete(&self.namespace, &DeleteParams::default()).await?;
        Ok(())
    }
}

fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

fn labels(line: &str) -> BTreeMap<&str, &str> {
    let inside = line.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let pairs = inside.map_or("", |(inside, _)| inside).split(',');
    pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name, value.trim_matches('"')))
        .collect()
}

fn resident_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .context("VmRSS")?;
    Ok(kib / 1024.0)
}

fn figure(name: &str, floor_name: &str, unit: &'static str, samples: (Vec<f64>, Vec<f64>), aim: Aim) -> Figure {
    Figure {
        name: name.to_owned(),
        floor_name: floor_name.to_owned(),
        unit,
        ours: samples.0,
        floor: samples.1,
        aims: vec![aim],
    }
}

fn pipeline(namespace: &str, tasks: usize, chained: bool) -> String {
    let mut text = format!(
        "apiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {{generateName: bench-, namespace: {namespace}}}\nspec:\n  pipelineSpec:\n    tasks:\n"
    );
    for index in 0..tasks {
        let after = match index {
            0 => "[]".to_owned(),
            _ if !chained => "[]".to_owned(),
            _ => format!("[t{}]", index - 1),
        };
        text.push_str(&format!(
            "      - name: t{index}\n        runAfter: {after}\n        taskSpec:\n          steps:\n            - {{image: {IMAGE}, command: [\"true\"]}}\n"
        ));
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "a handful of tasks")]
fn count(tasks: usize) -> f64 {
    tasks as f64
}
