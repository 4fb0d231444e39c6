//! The trace of a run on the cluster: from the push to its pods and steps, to the release and back.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidemill_kit::collector::Span;
use tidemill_messages::Traceparent;

use super::world::World;
use crate::trace::picture;
use crate::trace::tree::{Tree, has};

/// How long spans may take to be told, after a death too.
const TOLD_LIMIT: Duration = Duration::from_secs(60);
/// No kubelet starts a pod faster; so long at least is no wait in the queue.
const POD_START_LEAST: Duration = Duration::from_millis(50);
/// The release of the seed's pipeline.
const RELEASE: &str = "devops-demo";
/// Tasks of a run whose release stays.
const TASKS: [&str; 5] = ["1-clone", "2-test", "3-build", "4-docker", "5-deploy"];
/// What goes back.
const ROLLBACK: &str = "6-rollback";

/// A run that deployed.
pub(super) fn a_good_run(world: &World, name: &str, picture: &str) -> Result<()> {
    let tree = tree(world, name, "release deployed", picture)?;
    let run = told(world, &tree, name, &TASKS)?;
    has(run, "cicd.pipeline.result", "success")?;
    let deployed = tree.one("release deployed")?;
    has(deployed, "deployment.status", "succeeded")?;
    ensure!(deployed.error.is_none(), "{deployed:?}");
    is_of_the_deployment(&tree)
}

/// A run whose release failed and was rolled back by its pipeline.
pub(super) fn a_run_that_went_back(world: &World, name: &str, picture: &str) -> Result<()> {
    let tree = tree(world, name, "release rolled-back", picture)?;
    let run = told(world, &tree, name, &[&TASKS[..], &[ROLLBACK]].concat())?;
    has(run, "cicd.pipeline.result", "failure")?;
    let (deploy, rollback) = (tree.one("5-deploy")?, tree.one(ROLLBACK)?);
    ensure!(
        deploy.error.is_some() && rollback.error.is_none(),
        "{deploy:?} {rollback:?}"
    );
    let (failed, back) = (tree.first("release failed")?, tree.one("release rolled-back")?);
    has(failed, "deployment.status", "failed")?;
    ensure!(failed.error.is_some(), "{failed:?}");
    ensure!(
        failed.end_ns <= back.end_ns && rollback.start_ns <= back.end_ns,
        "it went back before it failed: {failed:?} {back:?}"
    );
    tree.links_are(back, &[(run, "undoes")])?;
    has(back, "deployment.status", "succeeded")?;
    ensure!(back.attributes.contains_key("tidemill.release.rollback_to"), "{back:?}");
    is_of_the_deployment(&tree)
}

/// All spans of the run's trace, once the run and this transition are told of.
fn tree(world: &World, name: &str, last: &str, picture: &str) -> Result<Tree> {
    let run = world.run(name)?;
    let context = run["status"]["spanContext"]["traceparent"].as_str();
    let context: Traceparent = context.context("the run has no spanContext")?.parse()?;
    let (trace, span) = (context.trace_id(), context.span_id());
    for told in [
        world.collector.wait_until_has(TOLD_LIMIT, |told| told.id == span),
        world
            .collector
            .wait_until_has(TOLD_LIMIT, |told| told.trace == trace && told.name == last),
    ] {
        let names: Vec<String> = of_trace(world, &trace)?.into_iter().map(|span| span.name).collect();
        ensure!(told, "{name} or {last:?} is not told of; its trace has {names:?}");
    }
    let spans = of_trace(world, &trace)?;
    picture::write(&spans, picture)?;
    Ok(Tree { spans })
}

fn of_trace(world: &World, trace: &str) -> Result<Vec<Span>> {
    let spans = world.collector.spans()?;
    Ok(spans.into_iter().filter(|span| span.trace == trace).collect())
}

/// What is the same for every run that a push started; gives its span.
fn told<'a>(world: &World, tree: &'a Tree, name: &str, tasks: &[&str]) -> Result<&'a Span> {
    let request = tree.one("POST /default/gitlab-listener")?;
    let run = tree.one("RUN pipeline")?;
    tree.is_of(&request.trace, "")?;
    tree.is_a_chain(&["POST /default/gitlab-listener", "evaluate triggers", "RUN pipeline"])?;
    tree.links_are(run, &[(request, "triggered by")])?;
    has(run, "tidemill.run.name", name)?;
    has(request, "vcs.provider.name", "gitlab")?;
    let below: Vec<&str> = tree
        .names_below(run)
        .into_iter()
        .filter(|name| *name != "resolve")
        .collect();
    ensure!(below == tasks, "below the run are {below:?}, not {tasks:?}");
    tree.nests(run)?;
    for task in tasks {
        let task = tree.one(task)?;
        has(task, "tidemill.task.class", "kubernetes")?;
        let parts = tree.names_below(task);
        ensure!(
            parts.starts_with(&["queue", "start pod"]) && parts.iter().any(|part| part.starts_with("step ")),
            "{} has {parts:?}",
            task.name
        );
        let pod = pod_of(world, name, &task.name)?;
        has(task, "k8s.pod.name", &pod)?;
        let start = tree.below(task)[1];
        has(start, "k8s.pod.name", &pod)?;
        let took = Duration::from_nanos(start.end_ns - start.start_ns);
        ensure!(
            took >= POD_START_LEAST,
            "the pod of {} started within {took:?}",
            task.name
        );
    }
    Ok(run)
}

/// Name of a task's pod, as its TaskRun says.
fn pod_of(world: &World, run: &str, task: &str) -> Result<String> {
    let task_run = tidemill_kit::get(&world.state(), "default", &["taskrun", &format!("{run}-{task}")])?;
    let pod = task_run["status"]["podName"].as_str();
    Ok(pod.context("the TaskRun names no pod")?.to_owned())
}

/// Whatever became of the release while the run was at it is below the task that deploys it.
fn is_of_the_deployment(tree: &Tree) -> Result<()> {
    let deploy = tree.one("5-deploy")?;
    let transitions: Vec<&Span> = tree
        .spans
        .iter()
        .filter(|span| span.scope == "tidemill.release")
        .collect();
    for transition in transitions {
        ensure!(
            transition.parent == deploy.id,
            "{} is not below {}",
            transition.name,
            deploy.name
        );
        has(transition, "deployment.name", RELEASE)?;
        has(transition, "k8s.namespace.name", "kube-ops")?;
    }
    Ok(())
}
