//! A push, a retry, a death of everything, a bad deployment, a rollback: one trace.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidemill_kit::collector::Span;
use tidemill_kit::{Collector, Up, get, tell, wait_until};

use super::picture;
use super::tree::{Tree, has};
use crate::Test;
use crate::journal::processes_naming;
use crate::webhook::post;

/// How long each thing may take that is waited for.
pub(super) const LIMIT: Duration = Duration::from_secs(60);
/// The trace and span of whoever pushes.
pub(super) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(super) const CALLER: &str = "00f067aa0ba902b7";

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::new("trace::one_trace_by_grpc_though_everything_dies", || story("grpc")),
        Test::new("trace::one_trace_by_http_though_everything_dies", || {
            story("http/protobuf")
        }),
    ]
}

/// A server whose spans go to a collector.
pub(super) struct World {
    pub(super) collector: Collector,
    pub(super) folder: TempDir,
    pub(super) environment: Vec<(&'static str, String)>,
}

impl World {
    pub(super) fn new(environment: &[(&'static str, &str)]) -> Result<Self> {
        let collector = Collector::start()?;
        let mut all = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())];
        all.extend(environment.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let folder = tempfile::Builder::new().prefix("tidemill-trace-").tempdir()?;
        fs::create_dir(folder.path().join("host"))?;
        Ok(Self {
            collector,
            folder,
            environment: all,
        })
    }

    pub(super) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(super) fn up(&self) -> Result<Up> {
        let environment: Vec<(&str, &str)> = self
            .environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        Up::start(&self.state(), &environment)
    }

    pub(super) fn apply(&self, objects: &[Value]) -> Result<()> {
        let file = self.folder.path().join("objects.json");
        fs::write(
            &file,
            json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string(),
        )?;
        tell(&self.state(), &["apply", "-f", &file.to_string_lossy()]).map(drop)
    }

    /// A file that steps write or wait for.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("host").join(name)
    }
}

impl Drop for World {
    /// Ends what a failed test left: everything that names this folder was started by it.
    fn drop(&mut self) {
        for (pid, _) in processes_naming(self.folder.path()) {
            if let Ok(pid) = i32::try_from(pid) {
                // It may have ended by itself meanwhile.
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
        }
    }
}

/// Where `up` takes webhooks.
pub(super) fn webhooks(up: &Up) -> Result<String> {
    let spoken = up.process.spoken();
    let said = spoken.lines().find_map(|line| line.trim().strip_prefix("webhooks"));
    let address = said.and_then(|address| address.trim().split("/<").next());
    Ok(address.context("`up` does not say where webhooks are sent")?.to_owned())
}

/// A pipeline of the demo's shape, and what a push needs to start it.
pub(super) fn objects(folder: &Path) -> Vec<Value> {
    let folder = folder.to_string_lossy().into_owned();
    let step =
        |name: &str, script: String| json!({"name": name, "image": "any", "script": format!("#!/bin/sh\n{script}\n")});
    let task = |name: &str, after: &[&str], results: &[&str], steps: Vec<Value>| {
        let results: Vec<Value> = results.iter().map(|name| json!({"name": name})).collect();
        json!({"name": name, "runAfter": after, "taskSpec": {"results": results, "steps": steps}})
    };
    let mut flaky = task(
        "2-test",
        &["1-clone"],
        &[],
        vec![step("unit", "test $(context.task.retry-count) -gt 0".to_owned())],
    );
    flaky["retries"] = json!(1);
    let host = "cd $(workspaces.host.path)";
    let wait = format!("{host}; echo \"$TRACEPARENT\" > context; until test -e go; do sleep 0.05; done");
    let mut build = task("3-build", &["2-test"], &[], vec![step("compile", wait)]);
    build["taskSpec"]["workspaces"] = json!([{"name": "host"}]);
    build["workspaces"] = json!([{"name": "host", "workspace": "host"}]);
    // Whoever releases something meanwhile keeps it waiting by a file.
    let upgrade = format!(
        "printf failed > $(results.deploy-status.path); {host}; while test -e hold; do touch deploying; sleep 0.05; done"
    );
    let mut deploy = task(
        "5-deploy",
        &["3-build"],
        &["deploy-status"],
        vec![step("upgrade", upgrade)],
    );
    deploy["taskSpec"]["workspaces"] = json!([{"name": "host"}]);
    deploy["workspaces"] = json!([{"name": "host", "workspace": "host"}]);
    let mut rollback = task("6-rollback", &[], &[], vec![step("undo", "true".to_owned())]);
    rollback["when"] =
        json!([{"input": "$(tasks.5-deploy.results.deploy-status)", "operator": "in", "values": ["failed"]}]);
    let kinds = "triggers.tekton.dev/v1beta1";
    vec![
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {
            "name": "host", "annotations": {"tidemill.dev/host-path": folder},
        }, "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Mi"}}}}),
        json!({"apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": "release"}, "spec": {"workspaces": [{"name": "host"}], "tasks": [
            task("1-clone", &[], &["commit"], vec![
                step("fetch", "sleep 0.1".to_owned()),
                step("commit", "printf 3f2c1aa > $(results.commit.path)".to_owned()),
            ]),
            flaky,
            build,
            deploy,
            rollback,
        ]}}),
        json!({"apiVersion": kinds, "kind": "TriggerTemplate", "metadata": {"name": "tt"}, "spec": {"resourcetemplates": [
            {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"generateName": "pushed-"},
             "spec": {"pipelineRef": {"name": "release"}, "workspaces": [
                 {"name": "host", "persistentVolumeClaim": {"claimName": "host"}}]}},
        ]}}),
        json!({"apiVersion": kinds, "kind": "EventListener", "metadata": {"name": "el"}, "spec": {"triggers": [
            {"name": "push", "template": {"ref": "tt"}},
        ]}}),
    ]
}

fn story(protocol: &'static str) -> Result<()> {
    let world = World::new(&[("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)])?;
    let mut up = world.up()?;
    world.apply(&objects(&world.file("")))?;
    let header = format!("00-{TRACE}-{CALLER}-01");
    let answer = post(
        &webhooks(&up)?,
        "/default/el",
        &[("traceparent", &header)],
        "{\"ref\": \"main\"}",
    )?;
    ensure!(answer.code == 202, "{}", answer.body);

    // Everything dies while a step runs, and the step is let go by the next life.
    let context = world.file("context");
    let waits = wait_until(LIMIT, || {
        fs::read_to_string(&context).is_ok_and(|text| text.ends_with('\n'))
    });
    ensure!(waits, "the step does not run:\n{}", up.process.spoken());
    ensure!(
        world.collector.wait_for("2-test", LIMIT),
        "what ended before is not told while the run goes on"
    );
    up.process.kill()?;
    let killed_ns = now_ns()?;
    drop(up);
    let mut up = world.up()?;
    fs::write(world.file("go"), "")?;
    let told = world.collector.wait_for("RUN release", LIMIT);
    ensure!(told, "the run is not told of:\n{}", up.process.spoken());
    let runs = get(&world.state(), "default", &["pipelinerun"])?;
    let tasks = get(&world.state(), "default", &["taskrun"])?;
    up.process.stop()?;

    let spans = world.collector.spans()?;
    let name = format!("trace-{}.svg", protocol.split('/').next().unwrap_or_default());
    picture::write(&spans, &name)?;
    let tree = Tree { spans };
    has_the_right_spans(&tree)?;
    has_the_right_parents(&tree)?;
    has_the_right_times(&tree, killed_ns)?;
    has_the_right_links(&tree)?;
    has_the_right_attributes(&tree)?;
    is_in_objects(&tree, &runs["items"][0], &tasks, &fs::read_to_string(&context)?)
}

pub(super) fn now_ns() -> Result<u64> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(u64::try_from(since.as_nanos())?)
}

fn has_the_right_spans(tree: &Tree) -> Result<()> {
    let expected = BTreeMap::from([
        ("POST /default/el", 1),
        ("evaluate triggers", 1),
        ("RUN release", 1),
        ("resolve", 1),
        ("1-clone", 1),
        ("2-test", 2),
        ("3-build", 1),
        ("5-deploy", 1),
        ("6-rollback", 1),
        ("queue", 6),
        ("start pod", 6),
        ("step fetch", 1),
        ("step commit", 1),
        ("step unit", 2),
        ("step compile", 1),
        ("step upgrade", 1),
        ("step undo", 1),
    ]);
    let counted = tree.counted();
    ensure!(counted == expected, "{counted:?}");
    Ok(())
}

/// Parents of the run and its tasks, whatever else was told of.
pub(super) fn has_the_right_parents(tree: &Tree) -> Result<()> {
    tree.is_of(TRACE, CALLER)?;
    let request = tree.one("POST /default/el")?;
    ensure!(request.parent == CALLER, "the caller is {:?}", request.parent);
    tree.is_a_chain(&["POST /default/el", "evaluate triggers", "RUN release"])?;
    let tasks = tree.names_below(tree.one("RUN release")?);
    let expected = [
        "resolve",
        "1-clone",
        "2-test",
        "2-test",
        "3-build",
        "5-deploy",
        "6-rollback",
    ];
    ensure!(tasks == expected, "{tasks:?}");
    for (task, steps) in [
        ("1-clone", vec!["step fetch", "step commit"]),
        ("3-build", vec!["step compile"]),
    ] {
        let parts = tree.names_below(tree.one(task)?);
        let expected: Vec<&str> = ["queue", "start pod"].into_iter().chain(steps).collect();
        ensure!(parts == expected, "{task}: {parts:?}");
    }
    Ok(())
}

/// Times, though at `killed_ns` somebody died.
pub(super) fn has_the_right_times(tree: &Tree, killed_ns: u64) -> Result<()> {
    tree.nests(tree.one("RUN release")?)?;
    for name in ["RUN release", "3-build", "step compile"] {
        let span = tree.one(name)?;
        ensure!(
            span.start_ns < killed_ns && killed_ns < span.end_ns,
            "{name} does not span the death"
        );
    }
    let fetch = tree.one("step fetch")?;
    let lasted = Duration::from_nanos(fetch.end_ns - fetch.start_ns);
    ensure!(
        lasted >= Duration::from_millis(100) && lasted < Duration::from_secs(5),
        "a step that slept for 100 ms lasted {lasted:?}"
    );
    Ok(())
}

/// Links of retry and run.
pub(super) fn has_the_right_links(tree: &Tree) -> Result<()> {
    let tests = tree.all("2-test");
    tree.links_are(tests[0], &[])?;
    tree.links_are(tests[1], &[(tests[0], "retries")])?;
    let request = tree.one("POST /default/el")?;
    tree.links_are(tree.one("RUN release")?, &[(request, "triggered by")])
}

/// Attributes of run, tasks, steps and event.
pub(super) fn has_the_right_attributes(tree: &Tree) -> Result<()> {
    let run = tree.one("RUN release")?;
    has(run, "cicd.pipeline.name", "release")?;
    has(run, "cicd.pipeline.result", "success")?;
    has(run, "cicd.pipeline.action.name", "RUN")?;
    let tests = tree.all("2-test");
    has(tests[0], "cicd.pipeline.task.run.result", "failure")?;
    ensure!(
        tests[0].error.is_some(),
        "a failed attempt is told as one that succeeded"
    );
    has(tests[1], "cicd.pipeline.task.run.result", "success")?;
    has(tests[1], "tidemill.task.attempt", "1")?;
    ensure!(tests[1].error.is_none(), "{:?}", tests[1].error);
    for name in ["cicd.pipeline.task.run.id", "cicd.pipeline.run.id", "k8s.pod.name"] {
        ensure!(tests[0].attributes.contains_key(name), "{name} is missing");
    }
    let queue = tree.below(tests[0])[0];
    has(queue, "messaging.system", "nats")?;
    has(queue, "messaging.operation.type", "receive")?;
    has(tree.one("POST /default/el")?, "http.request.method", "POST")?;
    has(tree.one("step upgrade")?, "process.exit.code", "0")?;
    let evaluation = tree.first("evaluate triggers")?;
    ensure!(evaluation.events == ["trigger accepted"], "{:?}", evaluation.events);
    Ok(())
}

/// Tekton's fields, and what the step itself was told.
pub(super) fn is_in_objects(tree: &Tree, run: &Value, tasks: &Value, context: &str) -> Result<()> {
    let shown = |span: &Span| format!("00-{TRACE}-{}-01", span.id);
    let found = &run["status"]["spanContext"]["traceparent"];
    let expected = shown(tree.one("RUN release")?);
    ensure!(
        *found == expected,
        "status.spanContext of the run is {found}, not {expected}"
    );
    let carried = run["metadata"]["annotations"]["tekton.dev/pipelinerunSpanContext"].as_str();
    let parent = shown(tree.first("evaluate triggers")?);
    ensure!(carried.is_some_and(|text| text.contains(&parent)), "{carried:?}");
    let build = task_run(tasks, "3-build")?;
    let found = &build["status"]["spanContext"]["traceparent"];
    let expected_task = shown(tree.one("3-build")?);
    ensure!(
        *found == expected_task,
        "status.spanContext of the task is {found}, not {expected_task}"
    );
    let carried = build["metadata"]["annotations"]["tekton.dev/taskrunSpanContext"].as_str();
    ensure!(carried.is_some_and(|text| text.contains(&expected)), "{carried:?}");
    let expected = shown(tree.one("step compile")?);
    ensure!(
        context.trim() == expected,
        "TRACEPARENT of the step was {context:?}, not {expected}"
    );
    Ok(())
}

/// The TaskRun of a pipeline task.
pub(super) fn task_run<'a>(tasks: &'a Value, task: &str) -> Result<&'a Value> {
    let mut all = tasks["items"].as_array().into_iter().flatten();
    let found = all.find(|run| run["metadata"]["labels"]["tekton.dev/pipelineTask"] == task);
    found.with_context(|| format!("no TaskRun of {task}"))
}
