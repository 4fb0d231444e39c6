//! Metrics of a real server, as Prometheus and a collector see them; the log's level at run time.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidemill_kit::wait_until;

use super::outage::run;
use super::story::World;
use crate::Test;

/// How long each thing may take that is waited for.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::new("trace::metrics_by_scrape_and_grpc", || metrics("grpc")),
        Test::new("trace::metrics_by_scrape_and_http", || metrics("http/protobuf")),
    ]
}

fn metrics(protocol: &'static str) -> Result<()> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let world = World::new(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("TIDEMILL_TELEMETRY_LISTEN", &address),
        ("TIDEMILL_TELEMETRY_INTERVAL", "200ms"),
        ("TIDEMILL_LOG_FORMAT", "json"),
    ])?;
    let mut up = world.up()?;
    run(&world, "counted")?;
    for line in [
        "tekton_pipelines_controller_taskrun_total{status=\"success\"} 1",
        "tekton_pipelines_controller_taskrun_count{status=\"success\"} 1",
        "tekton_pipelines_controller_running_taskruns 0",
        "tekton_pipelines_controller_taskrun_duration_seconds_count{status=\"success\"} 1",
        "tidemill_queue_wait_seconds_count{class=\"process\"} 1",
        "tidemill_step_start_seconds_count{class=\"process\"} 1",
        "tidemill_runner_slots_busy 0",
        "tidemill_trace_spans_dropped_total 0",
        "tidemill_build_info{version=",
    ] {
        let seen = wait_until(LIMIT, || {
            http(&address, "GET /metrics", "").is_ok_and(|text| text.lines().any(|one| one.starts_with(line)))
        });
        ensure!(seen, "no line {line:?} in:\n{}", http(&address, "GET /metrics", "")?);
    }
    let sent = wait_until(LIMIT, || {
        let metrics = world.collector.metrics();
        let counted = metrics.get("tekton_pipelines_controller_taskrun_total");
        counted == Some(&1) && metrics.get("tidemill_dispatch_seconds").is_some_and(|count| *count > 0)
    });
    ensure!(sent, "the collector has {:?}", world.collector.metrics());

    ensure!(http(&address, "GET /log", "")?.trim() == "warn", "another filter");
    let refused = http(&address, "PUT /log", "planner=loud")?;
    ensure!(refused.contains("planner=loud"), "{refused}");
    http(&address, "PUT /log", "info,tidemill_planner=debug")?;
    let said = wait_until(LIMIT, || up.process.spoken().contains("The log's filter was changed."));
    ensure!(said, "the filter was not changed:\n{}", up.process.spoken());
    run(&world, "logged")?;
    let spoken = up.process.stop()?;
    let line = spoken.lines().find(|line| line.contains("filter was changed"));
    let line: serde_json::Value = serde_json::from_str(line.context("no line of the log")?)?;
    ensure!(
        line["level"] == "INFO" && line["filter"] == "info,tidemill_planner=debug",
        "{line}"
    );
    Ok(())
}

/// Body of the answer.
pub(super) fn http(address: &str, request: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer with a body")?;
    Ok(body.to_owned())
}
