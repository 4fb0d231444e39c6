//! Times of the process backend: `process_backend <tidemill-step> [samples]`.
//!
//! For a task of one step that runs `true`: `prepare` (sandbox asked for, sandbox stands), `start` (said
//! so, the step's program launched), `end` (program launched, outcome known), `remove`. Then `gap`, from the
//! end of a step to the launch of the next, `kill`, from the word to the outcome, and the rate at which
//! whole attempts are played by several at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use bytes::Bytes;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use tidemill_messages::plan::{ANNOTATION, Plan, PlanStep};
use tidemill_messages::report::ReportBody;
use tidemill_messages::{CancelReason, RunKind, RunReference, StartTask, TaskRunIdentity};
use tidemill_resources::task::TaskSpec;
use tidemill_runner::backend::process::{ProcessBackend, Settings};
use tidemill_runner::backend::{Backend, Error, Event, Lookup, Play};
use tokio::sync::mpsc;

const SAMPLES: usize = 300;
/// Attempts played at once for the rate.
const AT_ONCE: usize = 8;

struct Nothing;

type Data = BTreeMap<String, Bytes>;

#[async_trait]
impl Lookup for Nothing {
    async fn secret(&self, _: &str, _: &str) -> Result<Option<Data>, Error> {
        Ok(None)
    }

    async fn config_map(&self, _: &str, _: &str) -> Result<Option<Data>, Error> {
        Ok(None)
    }

    async fn claim(&self, _: &str, _: &str) -> Result<Option<Option<std::path::PathBuf>>, Error> {
        Ok(None)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let step_binary = arguments
        .next()
        .context("usage: process_backend <tidemill-step> [samples]")?;
    let samples = arguments.next().map_or(Ok(SAMPLES), |count| count.parse())?;
    let state = tempfile::tempdir()?;
    let settings = Settings {
        step_binary: Some(step_binary.into()),
        ..Settings::default()
    };
    let backend = Arc::new(ProcessBackend::new(state.path(), settings, Arc::new(Nothing))?);
    backend.probe().await?;
    let mut times = [const { Vec::new() }; 4];
    for number in 0..samples {
        let sample = attempt(&backend, &format!("one-{number}")).await?;
        times.iter_mut().zip(sample).for_each(|(all, one)| all.push(one));
    }
    for (name, all) in ["prepare", "start", "end", "remove"].into_iter().zip(times) {
        show(name, all);
    }
    let mut gaps = Vec::new();
    let mut kills = Vec::new();
    for number in 0..samples / 5 {
        gaps.extend(between_steps(&backend, &format!("steps-{number}")).await?);
        kills.push(killed(&backend, &format!("killed-{number}")).await?);
    }
    show("gap", gaps);
    show("kill", kills);
    let begin = Instant::now();
    let workers = (0..AT_ONCE).map(|worker| {
        let backend = Arc::clone(&backend);
        tokio::spawn(async move {
            for number in 0..samples / AT_ONCE {
                attempt(&backend, &format!("many-{worker}-{number}")).await?;
            }
            anyhow::Ok(())
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await??;
    }
    let each = begin.elapsed() / u32::try_from(samples / AT_ONCE * AT_ONCE)?;
    println!("{AT_ONCE} at once: {:.2} ms an attempt", each.as_secs_f64() * 1e3);
    Ok(())
}

fn show(name: &str, mut all: Vec<Duration>) {
    all.sort();
    let at = |part: usize| all[(all.len() - 1) * part / 100].as_secs_f64() * 1e3;
    println!("{name:8} p50 {:6.2} ms  p99 {:6.2} ms  ({})", at(50), at(99), all.len());
}

/// Times between the steps of an attempt of five, by the supervisor's clock.
async fn between_steps(backend: &ProcessBackend, run: &str) -> Result<Vec<Duration>> {
    let (sender, mut events) = mpsc::channel(64);
    let mut playing = backend.prepare(play(run, 5, "true")?, sender).await?;
    playing.start().await?;
    let mut gaps = Vec::new();
    let mut ended = None;
    while let Event::Report(report) = events.recv().await.context("no end")? {
        match report.body {
            ReportBody::ContainerFinished { .. } => ended = Some(report.at),
            ReportBody::ContainerStarted { .. } => {
                gaps.extend(ended.map(|ended| report.at.duration_since(ended).unsigned_abs()));
            }
            _ => {}
        }
        playing.stored(report.sequence).await;
    }
    playing.remove().await?;
    Ok(gaps)
}

/// Time from the word to the outcome, which comes after the last process is dead.
async fn killed(backend: &ProcessBackend, run: &str) -> Result<Duration> {
    let (sender, mut events) = mpsc::channel(64);
    let script = "for i in 1 2 3 4; do sleep 1000 & setsid sleep 1000 & done; echo ready; wait";
    let mut playing = backend.prepare(play(run, 1, script)?, sender).await?;
    playing.start().await?;
    let mut said = None;
    loop {
        match events.recv().await.context("no end")? {
            Event::Report(report) if matches!(report.body, ReportBody::Log { .. }) => {
                said = Some(Instant::now());
                playing.kill(CancelReason::Cancelled).await;
            }
            Event::Report(_) => {}
            Event::Finished(_) => break,
            Event::Gone { message, .. } => bail!("gone: {message}"),
        }
    }
    let took = said.context("it did not run")?.elapsed();
    playing.remove().await?;
    Ok(took)
}

/// Plays one attempt.
async fn attempt(backend: &ProcessBackend, run: &str) -> Result<[Duration; 4]> {
    let (sender, mut events) = mpsc::channel(64);
    let begin = Instant::now();
    let mut playing = backend.prepare(play(run, 1, "true")?, sender).await?;
    let prepared = Instant::now();
    playing.start().await?;
    let mut launched = None;
    loop {
        match events.recv().await.context("no end")? {
            Event::Report(report) => {
                if matches!(report.body, ReportBody::ContainerStarted { .. }) {
                    launched = Some(Instant::now());
                }
                playing.stored(report.sequence).await;
            }
            Event::Finished(_) => break,
            Event::Gone { message, .. } => bail!("gone: {message}"),
        }
    }
    let ended = Instant::now();
    let launched = launched.context("no start")?;
    playing.remove().await?;
    Ok([prepared - begin, launched - prepared, ended - launched, ended.elapsed()])
}

/// A task of `steps` steps with the same command.
fn play(run: &str, steps: usize, script: &str) -> Result<Play> {
    let names: Vec<String> = (0..steps).map(|number| format!("step-{number}")).collect();
    let plan = Plan {
        version: 1,
        steps: names.iter().map(PlanStep::new).collect(),
        sidecars: Vec::new(),
        results: Vec::new(),
    };
    let argv = if script == "true" {
        vec!["true"]
    } else {
        vec!["sh", "-c", script]
    };
    let containers = names.into_iter().map(|name| Container {
        name,
        command: Some(argv.iter().map(|&part| part.to_owned()).collect()),
        ..Container::default()
    });
    let mut pod = Pod {
        spec: Some(PodSpec {
            containers: containers.collect(),
            ..PodSpec::default()
        }),
        ..Pod::default()
    };
    pod.metadata.annotations = Some([(ANNOTATION.to_owned(), plan.to_annotation()?)].into());
    let command = StartTask {
        version: 1,
        run: RunReference {
            kind: RunKind::TaskRun,
            namespace: "default".to_owned(),
            name: run.to_owned(),
            uid: run.to_owned(),
        },
        task: "true".to_owned(),
        attempt: 0,
        task_run: TaskRunIdentity {
            name: run.to_owned(),
            uid: String::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        },
        spec: TaskSpec::default(),
        workspaces: Vec::new(),
        service_account_name: String::new(),
        pod_template: None,
        step_specs: Vec::new(),
        sidecar_specs: Vec::new(),
        compute_resources: None,
        traceparent: None,
    };
    Ok(Play {
        key: command.key(),
        command: Arc::new(command),
        pod: Arc::new(pod),
    })
}
