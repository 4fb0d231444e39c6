//! A hundred runs one after another: what stays behind, and whether the last is as fast as the first.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;
use tidemill_messages::stream;

use super::world::{World, condition};

const RUNS: u8 = 100;
/// Runs at either end whose median time is compared.
const SAMPLE: usize = 10;
/// The last may take so many times what the first took.
const SLOWER: f64 = 1.25;
const LIMIT: Duration = Duration::from_secs(120);
/// What the cluster takes to remove what was deleted.
const REMOVAL: Duration = Duration::from_secs(90);

/// Streams of which a deleted run leaves nothing. Logs, CloudEvents and webhooks go by age.
const EMPTIED: [&str; 5] = [
    stream::FACTS,
    stream::RUNS,
    stream::CLAIMS,
    stream::TIMERS,
    stream::BLOBS,
];
/// Objects of a run: it, its two TaskRuns and its claim. That each was deleted is kept for an hour, for watchers.
const OBJECTS_A_RUN: u64 = 4;

/// A run with a claim of its own, a Secret and two tasks that share the claim.
const RUN: &str = r#"
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: NAME}
spec:
  workspaces:
    - name: shared
      volumeClaimTemplate:
        spec: {accessModes: [ReadWriteOnce], storageClassName: any, resources: {requests: {storage: 1Mi}}}
  pipelineSpec:
    workspaces: [{name: shared}]
    tasks:
      - name: write
        workspaces: [{name: shared}]
        taskSpec:
          workspaces: [{name: shared}]
          steps: [{name: step, image: "busybox:1.35", script: "echo NAME >$(workspaces.shared.path)/file"}]
      - name: read
        runAfter: [write]
        workspaces: [{name: shared}]
        taskSpec:
          workspaces: [{name: shared}]
          steps: [{name: step, image: "busybox:1.35", script: "grep NAME $(workspaces.shared.path)/file"}]
"#;

/// Runs them, removes each, and compares before and after.
pub(super) fn hundred(world: &World) -> Result<()> {
    let (before, messages_before) = (left(world)?, messages(world)?);
    let mut seconds = Vec::new();
    for number in 0..RUNS {
        let name = format!("hundred-{number}");
        let start = Instant::now();
        world.apply(&RUN.replace("NAME", &name))?;
        let run = world.wait_for(&name, LIMIT)?;
        ensure!(
            condition(&run)["status"] == "True",
            "{name}:\n{}",
            world.describe(&name)?
        );
        seconds.push(start.elapsed().as_secs_f64());
        world.delete_run(&name)?;
    }
    let (first, last) = (median(&seconds[..SAMPLE]), median(&seconds[seconds.len() - SAMPLE..]));
    println!("{RUNS} runs of two tasks: first {SAMPLE} {first:.2} s, last {SAMPLE} {last:.2} s (medians)");
    let gone = tidemill_kit::wait_until(REMOVAL, || left(world).is_ok_and(|after| after == before));
    let after = left(world)?;
    ensure!(
        gone,
        "left behind (pods, claims, volumes, secrets, containers): {before:?} before, {after:?} after"
    );
    println!("left behind: nothing (pods, claims, volumes, secrets, containers {after:?})");
    let gone = tidemill_kit::wait_until(REMOVAL, || {
        messages(world).is_ok_and(|after| is_explained(&messages_before, &after))
    });
    let after = messages(world)?;
    ensure!(
        gone,
        "messages left behind: {messages_before:?} before, {after:?} after"
    );
    println!("messages left behind: none but what retention keeps ({messages_before:?} before, {after:?} after)");
    ensure!(
        last <= first * SLOWER,
        "the last are slower: {last:.2} s after {first:.2} s"
    );
    Ok(())
}

/// How many messages there are in each stream.
fn messages(world: &World) -> Result<BTreeMap<String, u64>> {
    let all = world.platform.messages()?;
    let mut names = EMPTIED.iter().chain([&stream::OBJECTS]);
    ensure!(
        names.all(|name| all.contains_key(*name)),
        "streams are missing: {all:?}"
    );
    Ok(all)
}

/// Whether nothing more is stored than retention keeps of the runs that were deleted.
fn is_explained(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> bool {
    let objects = |all: &BTreeMap<String, u64>| all.get(stream::OBJECTS).copied().unwrap_or_default();
    let is_empty_again = EMPTIED.iter().all(|name| before.get(*name) == after.get(*name));
    is_empty_again && objects(after) <= objects(before) + OBJECTS_A_RUN * u64::from(RUNS)
}

/// How many pods, claims, volumes, Secrets and processes of containers there are.
fn left(world: &World) -> Result<[usize; 5]> {
    let count = |what: &str| -> Result<usize> {
        let list = world.cluster.get(&[what, "--all-namespaces"])?;
        Ok(list["items"].as_array().map_or(0, Vec::len))
    };
    Ok([
        pods(&world.cluster.get(&["pods", "--all-namespaces"])?),
        count("persistentvolumeclaims")?,
        count("persistentvolumes")?,
        count("secrets")?,
        shims()?,
    ])
}

fn pods(list: &Value) -> usize {
    list["items"].as_array().map_or(0, Vec::len)
}

/// Processes that hold containers.
fn shims() -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if line.contains("containerd-shim") && line.contains("tidemill-cluster") {
            count += 1;
        }
    }
    Ok(count)
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
