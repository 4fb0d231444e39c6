//! A collector that hangs or refuses costs no run anything.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidemill_kit::collector::Mood;
use tidemill_kit::{tell, wait_until};

use super::metrics::http;
use super::story::World;
use crate::Test;

/// How long each thing may take that is waited for.
const LIMIT: Duration = Duration::from_secs(60);
const RUN: &str = "apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {name: NAME}\nspec: {taskSpec: {steps: [{name: s, image: any, script: 'true'}]}}\n";

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::new("trace::a_collector_that_hangs_costs_nothing", || outage(Mood::Hang)),
        Test::new("trace::a_collector_that_refuses_costs_nothing", || outage(Mood::Refuse)),
    ]
}

fn outage(mood: Mood) -> Result<()> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let world = World::new(&[
        ("TIDEMILL_TELEMETRY_LISTEN", &address),
        ("TIDEMILL_TELEMETRY_TIMEOUT", "300ms"),
        ("TIDEMILL_TELEMETRY_PATIENCE", "500ms"),
    ])?;
    world.collector.set(mood);
    let mut up = world.up()?;
    run(&world, "lost")?;
    let counted = wait_until(LIMIT, || up.process.spoken().contains("Spans are dropped"));
    ensure!(counted, "nobody says that spans are dropped:\n{}", up.process.spoken());
    ensure!(world.collector.requests() > 1, "it was not tried again");
    let dropped = wait_until(LIMIT, || dropped(&address).is_ok_and(|count| count > 0));
    ensure!(dropped, "what is dropped is not counted");
    world.collector.set(Mood::Take);
    run(&world, "told")?;
    let told = world.collector.wait_for("RUN told", LIMIT);
    ensure!(
        told,
        "a collector that works again hears nothing:\n{}",
        up.process.spoken()
    );
    ensure!(
        !world.collector.wait_for("RUN lost", Duration::ZERO),
        "what was dropped was told"
    );
    let said = wait_until(LIMIT, || up.process.spoken().contains("takes spans again"));
    ensure!(
        said,
        "nobody says that the collector works again:\n{}",
        up.process.spoken()
    );
    up.process.stop().map(drop)
}

/// Spans that were dropped, as `/metrics` counts them.
fn dropped(address: &str) -> Result<u64> {
    let text = http(address, "GET /metrics", "")?;
    let mut lines = text.lines();
    let count = lines.find_map(|line| line.strip_prefix("tidemill_trace_spans_dropped_total "));
    Ok(count.context("not counted")?.trim().parse()?)
}

pub(super) fn run(world: &World, name: &str) -> Result<()> {
    let file = world.file("run.yaml");
    std::fs::write(&file, RUN.replace("NAME", name))?;
    tell(&world.state(), &["run", "-f", &file.to_string_lossy()]).map(drop)
}
