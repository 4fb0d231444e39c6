//! Who asks for a run and is traced finds request and run in that trace; who is not leaves no span.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidemill_kit::{command, wait_until};

use super::outage::run;
use super::story::World;
use crate::Test;

/// How long the spans may take.
const LIMIT: Duration = Duration::from_secs(60);
/// The trace and span of who asks.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const RUN: &str = "apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {name: traced}\nspec: {taskSpec: {steps: [{name: s, image: any, script: 'true'}]}}\n";

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::new("trace::a_run_joins_the_trace_of_who_asks_by_grpc", || joins("grpc")),
        Test::new("trace::a_run_joins_the_trace_of_who_asks_by_http", || {
            joins("http/protobuf")
        }),
    ]
}

fn joins(protocol: &'static str) -> Result<()> {
    let world = World::new(&[("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)])?;
    let mut up = world.up()?;
    run(&world, "untraced")?;
    let file = world.file("traced.yaml");
    std::fs::write(&file, RUN)?;
    let created = command(&world.state(), &["create", "-f", &file.to_string_lossy()])?
        .env("TRACEPARENT", format!("00-{TRACE}-{CALLER}-01"))
        .output()?;
    ensure!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    for name in ["RUN traced", "RUN untraced", "POST"] {
        let told = wait_until(LIMIT, || world.collector.wait_for(name, Duration::ZERO));
        ensure!(told, "no span {name}; the server said:\n{}", up.process.spoken());
    }
    up.process.stop()?;
    let spans = world.collector.spans()?;
    let requests: Vec<_> = spans.iter().filter(|span| span.scope == "tidemill.gateway").collect();
    ensure!(!requests.is_empty(), "no request in {spans:?}");
    for span in &requests {
        ensure!(
            span.trace == TRACE && span.parent == CALLER && span.kind == 2,
            "not of who asks: {span:?}"
        );
    }
    let request = requests.iter().find(|span| span.name == "POST").context("no POST")?;
    ensure!(
        request.attributes.get("http.response.status_code").map(String::as_str) == Some("201"),
        "{request:?}"
    );
    let run = spans.iter().find(|span| span.name == "RUN traced").context("no run")?;
    ensure!(
        run.trace == TRACE && run.parent == request.id,
        "the run is not the request's: {run:?}"
    );
    Ok(())
}
