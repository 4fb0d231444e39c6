//! Telemetry adds no message to what a task stores and nothing to wait for where it is counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidemill_bus::{Bus, Connect};
use tidemill_kit::{NatsServer, Running, command, get, wait_until};
use tidemill_messages::stream::{FACTS, RUNS};

use super::story::World;
use crate::Test;

/// How long each thing may take that is waited for.
const LIMIT: Duration = Duration::from_secs(60);
/// Tasks of the chain.
const TASKS: usize = 10;
/// What the streams may take of the kit's nats-server.
const STORE: &str = "700MiB";
/// What is stored between the end of a task and the start of the next and outlives the run, by stream.
const ON_THE_HOP: [(&str, &str); 3] = [
    (FACTS, "fact.*.*.*.*.finished"),
    (RUNS, "run.*.*.decision"),
    (RUNS, "run.*.*.task.>"),
];

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::new("trace::telemetry_adds_no_message_to_the_hop", same_messages),
        Test::new("trace::nothing_on_the_hop_waits_for_telemetry", nothing_waits),
    ]
}

/// The same chain with a collector and without: as many messages of each kind.
fn same_messages() -> Result<()> {
    let (told, silent) = (messages(true)?, messages(false)?);
    ensure!(told == silent, "with telemetry {told:?}, without {silent:?}");
    for (what, count) in &told {
        ensure!(*count >= TASKS, "{what} was stored {count} times for {TASKS} tasks");
    }
    Ok(())
}

fn messages(is_told: bool) -> Result<BTreeMap<&'static str, usize>> {
    let world = World::new(&[])?;
    let server = NatsServer::start()?;
    let mut up = command(&world.state(), &["up", "--nats", &server.url()])?;
    up.env("TIDEMILL_STREAMS_STORE", STORE);
    if is_told {
        up.envs(world.environment.iter().map(|(name, value)| (name, value)));
    }
    let mut up = Running::start(up)?;
    up.wait_until_says("Ctrl-C", LIMIT)?;
    world.apply(&[chain()])?;
    let is_over = || {
        let run = get(&world.state(), "default", &["pipelinerun", "chain"]);
        run.is_ok_and(|run| run["status"]["conditions"][0]["status"] == "True")
    };
    ensure!(wait_until(LIMIT, is_over), "the chain does not end:\n{}", up.spoken());
    ensure!(
        !is_told || world.collector.wait_for("RUN chain", LIMIT),
        "the collector hears nothing:\n{}",
        up.spoken()
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let counted = runtime.block_on(async {
        let bus = Bus::connect(Connect::new(server.url())).await?;
        let mut counted = BTreeMap::new();
        for (stream, filter) in ON_THE_HOP {
            counted.insert(filter, bus.read_all(stream, filter, 1, true).await?.len());
        }
        anyhow::Ok(counted)
    })?;
    up.stop()?;
    Ok(counted)
}

fn chain() -> Value {
    let tasks: Vec<Value> = (0..TASKS)
        .map(|index| {
            let after: Vec<String> = index
                .checked_sub(1)
                .map(|before| format!("t{before}"))
                .into_iter()
                .collect();
            json!({"name": format!("t{index}"), "runAfter": after,
                "taskSpec": {"steps": [{"name": "s", "image": "any", "command": ["true"]}]}})
        })
        .collect();
    json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "chain"},
        "spec": {"pipelineSpec": {"tasks": tasks}}})
}

/// Planner, runner and step count by plain additions and know nothing of spans, exporters or the tracer.
fn nothing_waits() -> Result<()> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let family = std::fs::read_to_string(root.join("shared/telemetry/src/metrics/family.rs"))?;
    for word in ["await", "async", "Mutex", "RwLock", ".lock(", "channel"] {
        ensure!(!family.contains(word), "counting needs `{word}`");
    }
    let mut files = Vec::new();
    for service in ["planner", "runner", "step"] {
        sources(&root.join("services").join(service).join("src"), &mut files)?;
    }
    ensure!(files.len() > 50, "only {} files were looked at", files.len());
    let mut counted = 0;
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        for word in [
            "telemetry::export",
            "telemetry::span",
            "tidemill_tracer",
            "opentelemetry",
            "#[instrument",
        ] {
            ensure!(!text.contains(word), "{} names {word}", file.display());
        }
        for statement in counting(&text) {
            counted += 1;
            ensure!(
                !statement.contains(".await") && !statement.contains(".lock("),
                "{} waits to count: {statement}",
                file.display()
            );
        }
    }
    ensure!(
        counted >= 5,
        "only {counted} places count anything: are they looked for in vain?"
    );
    Ok(())
}

/// Statements that change a metric.
fn counting(text: &str) -> impl Iterator<Item = &str> {
    let changes = [".increment()", ".observe(", ".observe_signed("];
    text.split(';')
        .filter(|statement| statement.contains(".plain()") || statement.contains(".of(&["))
        .filter(move |statement| changes.iter().any(|change| statement.contains(change)))
        .map(|statement| statement.rsplit(['{', '}']).next().unwrap_or(statement))
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
