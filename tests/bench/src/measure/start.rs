//! How long `up` and a small `run` take, and what an idle server holds.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tidemill_kit::{NatsServer, Up, ask};
use tokio::runtime::Runtime;

use crate::figure::{Aim, Figure};
use crate::floor::{milliseconds, sandboxed};

/// Starts of `up` and of a bare nats-server, in turn.
const STARTS: usize = 10;
/// Runs of one `true` and bare sandboxed ones, in turn.
const RUNS: usize = 20;
/// The smallest run.
const RUN: &str = "apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {generateName: true-}\nspec: {taskSpec: {steps: [{image: none, command: [\"true\"]}]}}\n";

pub(crate) fn measure(_: &Runtime) -> Result<Vec<Figure>> {
    let (mut ups, mut servers) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let folder = tempfile::tempdir()?;
        let start = Instant::now();
        let mut up = Up::start(&folder.path().join("state"), &[])?;
        ups.push(milliseconds(start.elapsed()));
        up.process.stop()?;
        let start = Instant::now();
        let server = NatsServer::start()?;
        servers.push(milliseconds(start.elapsed()));
        drop(server);
    }
    let (runs, bare, memory) = runs()?;
    Ok(vec![
        Figure {
            name: "`tidemill up` to ready".into(),
            floor_name: "nats-server's own start".into(),
            unit: "ms",
            ours: ups,
            floor: servers,
            aims: vec![Aim::Above(300.0)],
        },
        Figure {
            name: "`tidemill run` of one `true`, server up".into(),
            floor_name: "a sandboxed `true` (unshare)".into(),
            unit: "ms",
            ours: runs,
            floor: bare,
            aims: vec![Aim::Median(60.0)],
        },
        Figure {
            name: "idle memory without nats-server".into(),
            floor_name: String::new(),
            unit: "MiB",
            ours: vec![memory],
            floor: Vec::new(),
            aims: vec![Aim::Median(40.0)],
        },
    ])
}

fn runs() -> Result<(Vec<f64>, Vec<f64>, f64)> {
    let folder = tempfile::tempdir()?;
    let state = folder.path().join("state");
    let file = folder.path().join("run.yaml");
    fs::write(&file, RUN)?;
    let up = Up::start(&state, &[])?;
    let memory = resident_mib(up.process.pid())?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let start = Instant::now();
        let output = ask(&state, &["run", "-f", &file.to_string_lossy()])?;
        ours.push(milliseconds(start.elapsed()));
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        bare.push(time(|| sandboxed(&["true"]))?);
    }
    Ok((ours, bare, memory))
}

fn time(action: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    action()?;
    let took: Duration = start.elapsed();
    Ok(milliseconds(took))
}

fn resident_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .context("no VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
    Ok(kib / 1024.0)
}
