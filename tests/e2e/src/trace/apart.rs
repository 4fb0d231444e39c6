//! The same with services that are processes of their own, planner and runner killed one after the other; with a
//! release that fails and goes back, and a run that hears of it.

use std::fs;
use std::net::TcpListener;

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};
use tidemill_bus::{Bus, Connect, Message};
use tidemill_kit::collector::Span;
use tidemill_kit::{get, wait_until};
use tidemill_messages::command::RunReference;
use tidemill_messages::envelope::{TRACEPARENT, VERSION};
use tidemill_messages::release::{ANNOTATION_ROLLBACK_OF, Actor, Cause};
use tidemill_messages::trace::ANNOTATION_TASK_RUN;
use tidemill_messages::{ReleaseEvent, ReleaseName, ReleaseStatus, RunKind, Traceparent, encode, subject};

use super::picture;
use super::story::{
    CALLER, LIMIT, TRACE, World, has_the_right_attributes, has_the_right_links, has_the_right_parents,
    has_the_right_times, is_in_objects, now_ns, objects, task_run,
};
use super::tree::{Tree, has};
use crate::Test;
use crate::resume::services::{GATEWAY, INGEST, PLANNERS, RUNNERS, Services};
use crate::webhook::post;

/// The TaskRun with which the release goes back.
const UNDO: &str = "undo-release";
/// The run that hears of it.
const HEARD: &str = "RUN hear";

pub(super) fn tests() -> Vec<Test> {
    vec![Test::new(
        "trace::from_push_to_rollback_though_planner_and_runner_die",
        story,
    )]
}

fn story() -> Result<()> {
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let world = World::new(&[("TIDEMILL_INGEST_LISTEN", &listen)])?;
    let mut services = Services::none(&world.state(), &world.environment)?;
    for role in [GATEWAY, INGEST, PLANNERS[0], RUNNERS[0]] {
        services.add(role)?;
    }
    let result = push(&world, &mut services, &listen);
    result.with_context(|| format!("the services said:\n{}", services.spoken()))?;
    services.stop()
}

fn push(world: &World, services: &mut Services, listen: &str) -> Result<()> {
    let mut all = objects(&world.file(""));
    all.extend(hears_of_releases());
    world.apply(&all)?;
    fs::write(world.file("hold"), "")?;
    let header = format!("00-{TRACE}-{CALLER}-01");
    let url = format!("http://{listen}");
    let answer = post(&url, "/default/el", &[("traceparent", &header)], "{\"ref\": \"main\"}")?;
    ensure!(answer.code == 202, "{}", answer.body);

    let context = world.file("context");
    let waits = wait_until(LIMIT, || {
        fs::read_to_string(&context).is_ok_and(|text| text.ends_with('\n'))
    });
    ensure!(waits, "the step does not run");
    ensure!(
        world.collector.wait_for("2-test", LIMIT),
        "what has ended is not told of"
    );
    let killed_ns = now_ns()?;
    for role in [PLANNERS[0], RUNNERS[0]] {
        services.kill(role)?;
        services.add(role)?;
    }
    fs::write(world.file("go"), "")?;
    ensure!(
        wait_until(LIMIT, || world.file("deploying").exists()),
        "nothing is deployed"
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let deployed = runtime.block_on(async {
        let bus = Bus::connect(Connect::new(services.server.url())).await?;
        fails_and_goes_back(world, &bus).await
    })?;
    for name in ["RUN release", &format!("RUN {UNDO}"), HEARD, "release rolled-back"] {
        ensure!(world.collector.wait_for(name, LIMIT), "{name} is not told of");
    }
    let runs = get(&world.state(), "default", &["pipelinerun"])?;
    let tasks = get(&world.state(), "default", &["taskrun"])?;
    let pushed = runs["items"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|run| run["metadata"]["uid"] == *deployed)
        .context("the pushed run is gone")?;

    let tree = Tree {
        spans: world.collector.spans()?,
    };
    picture::write(&tree.spans, "trace-apart.svg")?;
    has_the_right_parents(&tree)?;
    has_the_right_times(&tree, killed_ns)?;
    has_the_right_links(&tree)?;
    has_the_right_attributes(&tree)?;
    is_in_objects(&tree, pushed, &tasks, &fs::read_to_string(&context)?)?;
    has_the_release(&tree)
}

/// A listener that starts a run when a release went back.
fn hears_of_releases() -> Vec<Value> {
    let kinds = "triggers.tekton.dev/v1beta1";
    vec![
        json!({"apiVersion": kinds, "kind": "TriggerTemplate", "metadata": {"name": "hearing"}, "spec": {"resourcetemplates": [
            {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "hear"},
             "spec": {"pipelineSpec": {"tasks": [
                 {"name": "tell", "taskSpec": {"steps": [{"name": "say", "image": "any", "script": "true"}]}},
             ]}}},
        ]}}),
        json!({"apiVersion": kinds, "kind": "EventListener",
            "metadata": {"name": "releases", "annotations": {"tidemill.dev/subject": "release.*.*.*.rolled-back"}},
            "spec": {"triggers": [{"name": "back", "template": {"ref": "hearing"}}]}}),
    ]
}

/// Stores what a deployer says of the release that the waiting task makes, and goes back as it does; gives the run's UID.
async fn fails_and_goes_back(world: &World, bus: &Bus) -> Result<String> {
    // What runs is shown a moment later.
    let mut deploy = Value::Null;
    let shown = wait_until(LIMIT, || {
        let tasks = get(&world.state(), "default", &["taskrun"]).unwrap_or_default();
        deploy = task_run(&tasks, "5-deploy").cloned().unwrap_or_default();
        deploy["status"]["spanContext"]["traceparent"].is_string()
    });
    ensure!(shown, "the deployment is not shown: {deploy}");
    let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
    let attempt = text(&deploy["status"]["spanContext"]["traceparent"])?;
    let owner = &deploy["metadata"]["ownerReferences"][0];
    let run = RunReference {
        kind: RunKind::PipelineRun,
        namespace: "default".to_owned(),
        name: text(&owner["name"])?,
        uid: text(&owner["uid"])?,
    };
    let actor = Actor {
        run: run.clone(),
        task: "5-deploy".to_owned(),
        attempt: 0,
        traceparent: attempt.clone(),
    };
    store(bus, &actor, ReleaseStatus::PendingUpgrade).await?;
    store(bus, &actor, ReleaseStatus::Failed).await?;
    fs::remove_file(world.file("hold"))?;
    store(bus, &actor, ReleaseStatus::RollbackStarted).await?;
    let context: Traceparent = attempt.parse()?;
    world.apply(&[
        json!({"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": {"name": UNDO, "annotations": {
        ANNOTATION_ROLLBACK_OF: format!("{}/5-deploy/0", run.uid),
        ANNOTATION_TASK_RUN: context.to_json(),
    }}, "spec": {"taskSpec": {"steps": [{"name": "rollback", "image": "any", "script": "true"}]}}}),
    ])?;
    let undone = format!("RUN {UNDO}");
    ensure!(world.collector.wait_for(&undone, LIMIT), "nothing goes back");
    store(bus, &actor, ReleaseStatus::RolledBack).await?;
    Ok(run.uid)
}

async fn store(bus: &Bus, actor: &Actor, status: ReleaseStatus) -> Result<()> {
    let is_failed = status == ReleaseStatus::Failed;
    let event = ReleaseEvent {
        version: VERSION,
        release: ReleaseName {
            namespace: "ops".to_owned(),
            name: "demo".to_owned(),
        },
        revision: 5,
        status,
        record_uid: "record-5".to_owned(),
        at: Timestamp::now(),
        chart: "demo-0.2.0".to_owned(),
        app_version: "0.2.0".to_owned(),
        description: "Upgrade \"demo\" failed".to_owned(),
        rollback_to: if is_failed { 0 } else { 4 },
        cause: is_failed.then(|| Cause {
            reason: "CrashLoopBackOff".to_owned(),
            object: "pod demo-1".to_owned(),
            container: "demo".to_owned(),
            message: String::new(),
            log: Vec::new(),
        }),
        actor: Some(actor.clone()),
    };
    let subject = subject::release(&event.release, event.revision, status);
    let context = Traceparent::continued(Some(&actor.traceparent), event.span());
    let message = Message::new(subject.clone(), encode(&subject, &event)?);
    bus.publish(message.header(TRACEPARENT, context.to_string()).expecting(0))
        .await?;
    Ok(())
}

/// Release, rollback, and the run that heard of it, in the trace of the push.
fn has_the_release(tree: &Tree) -> Result<()> {
    let (run, deploy) = (tree.one("RUN release")?, tree.one("5-deploy")?);
    let of_release: Vec<&Span> = tree
        .spans
        .iter()
        .filter(|span| span.scope == "tidemill.release")
        .collect();
    ensure!(of_release.len() == 4, "{of_release:?}");
    for span in of_release {
        ensure!(span.parent == deploy.id, "{} is not below the deployment", span.name);
        has(span, "deployment.name", "demo")?;
        has(span, "k8s.namespace.name", "ops")?;
    }
    let failed = tree.one("release failed")?;
    let begun = tree.one("release pending-upgrade")?;
    ensure!(
        failed.start_ns == begun.start_ns && failed.end_ns > failed.start_ns,
        "{failed:?}"
    );
    has(failed, "deployment.status", "failed")?;
    has(failed, "error.type", "CrashLoopBackOff")?;
    let back = tree.one("release rolled-back")?;
    tree.links_are(back, &[(run, "undoes")])?;
    has(back, "tidemill.release.rollback_to", "4")?;
    let undo = tree.one(&format!("RUN {UNDO}"))?;
    ensure!(undo.parent == deploy.id, "what undoes it is not below it");
    tree.links_are(undo, &[(run, "undoes")])?;
    tree.nests(undo)?;
    ensure!(
        back.start_ns <= undo.start_ns && undo.end_ns <= back.end_ns,
        "the release did not go back while it was told to: {back:?} {undo:?}"
    );

    let received = tree.one("receive default/releases")?;
    ensure!(received.parent == back.id, "nobody heard of the rollback");
    let heard = tree.one(HEARD)?;
    tree.links_are(heard, &[(received, "triggered by"), (back, "triggered by release")])?;
    let evaluation = tree.all("evaluate triggers")[1];
    ensure!(
        evaluation.parent == received.id && heard.parent == evaluation.id,
        "{heard:?}"
    );
    tree.nests(heard)
}
