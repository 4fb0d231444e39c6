//! Order, results, sidecars, workspaces; deaths.

use std::time::Duration;

use anyhow::{Result, ensure};
use tidemill_kit::{tell, wait_until};

use super::{Place, timed};
use crate::Test;
use crate::journal::kill_nats_server;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::new("pods::steps_results_sidecars_and_volumes", whole),
        Test::new("pods::a_cancel_ends_a_pod_within_two_seconds", cancel),
        Test::new("pods::tidemill_is_killed_and_the_pod_is_adopted", adoption),
        Test::new("pods::nats_server_is_killed_while_a_step_runs", nats),
        Test::new("pods::a_pod_deleted_while_nobody_is_there_is_lost_at_once", deleted),
    ]
}

/// A claim made from a template, files from one task to the next, a result, a sidecar that must be ready.
const WHOLE: &str = r#"
  workspaces:
    - name: source
      subPath: sub
      volumeClaimTemplate:
        spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
  pipelineSpec:
    workspaces: [{name: source}]
    results: [{name: said, value: $(tasks.second.results.said)}]
    tasks:
      - name: first
        workspaces: [{name: source, workspace: source}]
        taskSpec:
          workspaces: [{name: source}]
          results: [{name: greeting}]
          steps:
            - {name: write, image: IMAGE, workingDir: made/here, script: "pwd; printf hi > $(results.greeting.path)\nhostname > $(workspaces.source.path)/file"}
            - {name: ignored, image: IMAGE, onError: continue, command: [sh, -c, "exit 3"]}
            - {name: read, image: IMAGE, script: "cat $(steps.step-ignored.exitCode.path); echo; id -u; grep SigBlk /proc/self/status", securityContext: {runAsUser: 1000}}
      - name: second
        params: [{name: greeting, value: $(tasks.first.results.greeting)}]
        workspaces: [{name: source, workspace: source}]
        taskSpec:
          params: [{name: greeting}]
          workspaces: [{name: source}]
          results: [{name: said}]
          sidecars:
            - name: server
              image: IMAGE
              script: "sleep 1; echo ready > /tmp/ready; while true; do echo pong | nc -l -p 8099; done"
              readinessProbe: {exec: {command: [cat, /tmp/ready]}, periodSeconds: 1}
          steps:
            - {image: IMAGE, script: "cat $(workspaces.source.path)/file; nc 127.0.0.1 8099 </dev/null; printf '$(params.greeting) there' > $(results.said.path)"}
"#;

fn whole() -> Result<()> {
    let place = Place::new("pods-whole")?;
    place.create("PipelineRun", "whole", WHOLE)?;
    let ended = place.ended("pipelinerun", "whole")?;
    let logs = place.logs("pipelinerun", "whole")?;
    ensure!(ended.0 == "Succeeded", "{ended:?}\n{logs}");
    // What reads signals from a file beside the program blocks them.
    let unblocked = "SigBlk:\t0000000000000000";
    for text in [
        "/workspace/made/here",
        "3\n",
        "1000",
        unblocked,
        "whole-first-pod",
        "pong",
    ] {
        ensure!(logs.contains(text), "no {text:?} in\n{logs}");
    }
    let run = place.object("pipelinerun", "whole")?;
    ensure!(
        run["status"]["results"][0]["value"] == "hi there",
        "{}",
        run["status"]["results"]
    );
    let task = place.object("taskrun", "whole-second")?;
    ensure!(
        task["status"]["sidecars"][0]["terminated"]["exitCode"] == 0,
        "{}",
        task["status"]["sidecars"]
    );
    ensure!(
        task["status"]["steps"][0]["imageID"] != "",
        "{}",
        task["status"]["steps"]
    );
    place.must_be_clean()?;
    let claims = || {
        place
            .cluster
            .kubectl(&["get", "pvc", "-n", &place.namespace, "-o", "name"])
    };
    ensure!(
        claims()?.lines().count() == 1,
        "the claim stays as long as its run: {}",
        claims()?
    );
    tell(
        &place.state(),
        &["delete", "-n", &place.namespace, "pipelinerun", "whole"],
    )?;
    let gone = wait_until(Duration::from_secs(150), || {
        claims().is_ok_and(|claims| claims.trim().is_empty())
    });
    ensure!(gone, "the claim outlived its run: {}", claims()?);
    Ok(())
}

const SLEEP: &str = r#"
  taskSpec:
    steps:
      - {name: sleep, image: IMAGE, script: "echo began; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1; done; echo went on"}
"#;

fn cancel() -> Result<()> {
    let place = Place::new("pods-cancel")?;
    place.create("TaskRun", "sleep", SLEEP)?;
    place.must_log("taskrun", "sleep", "began")?;
    let (ended, took) = timed(|| {
        tell(&place.state(), &["cancel", "-n", &place.namespace, "taskrun", "sleep"])?;
        place.ended("taskrun", "sleep")
    })?;
    ensure!(ended.0 == "TaskRunCancelled", "{ended:?}");
    ensure!(took < Duration::from_secs(2), "it took {took:?}");
    place.must_be_clean()
}

fn adoption() -> Result<()> {
    let mut place = Place::new("pods-adopt")?;
    place.create("TaskRun", "sleep", SLEEP)?;
    place.must_log("taskrun", "sleep", "began")?;
    place.kill()?;
    place.start()?;
    let ended = place.ended("taskrun", "sleep")?;
    let logs = place.logs("taskrun", "sleep")?;
    ensure!(ended.0 == "Succeeded", "{ended:?}\n{logs}");
    ensure!(logs.matches("began").count() == 1 && logs.contains("went on"), "{logs}");
    place.must_be_clean()
}

fn nats() -> Result<()> {
    let place = Place::new("pods-nats")?;
    place.create("TaskRun", "sleep", SLEEP)?;
    place.must_log("taskrun", "sleep", "began")?;
    kill_nats_server(&place.state())?;
    let ended = place.ended("taskrun", "sleep")?;
    let logs = place.logs("taskrun", "sleep")?;
    ensure!(ended.0 == "Succeeded", "{ended:?}\n{logs}");
    ensure!(logs.matches("began").count() == 1 && logs.contains("went on"), "{logs}");
    Ok(())
}

/// What is left to find it by is its Secret.
fn deleted() -> Result<()> {
    let mut place = Place::new("pods-deleted")?;
    place.create("TaskRun", "sleep", SLEEP)?;
    place.must_log("taskrun", "sleep", "began")?;
    place.kill()?;
    place
        .cluster
        .kubectl(&["delete", "pods", "--all", "--now", "-n", &place.namespace])?;
    place.start()?;
    let (ended, took) = timed(|| place.ended("taskrun", "sleep"))?;
    ensure!(ended.0 == "RunnerLost", "{ended:?}");
    ensure!(took < Duration::from_secs(30), "it took {took:?}");
    place.must_be_clean()
}
