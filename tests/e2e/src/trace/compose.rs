//! The collector of docker-compose.yml takes what is sent, and hands it on to what stands beside it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::Test;

/// What Tidemill sends by OTLP.
const SENT: [&str; 2] = ["traces", "metrics"];

pub(super) fn tests() -> Vec<Test> {
    vec![Test::new("trace::the_collector_of_compose_takes_what_is_sent", fits)]
}

fn fits() -> Result<()> {
    let (collector, compose) = (yaml("deploy/docker/collector.yaml")?, yaml("docker-compose.yml")?);
    let services = &compose["services"];
    let ours = &services["collector"];
    let reads =
        list(&ours["volumes"]).any(|volume| volume.starts_with("./deploy/docker/collector.yaml:/etc/collector.yaml"));
    ensure!(reads, "the collector does not read its file: {}", ours["volumes"]);

    // Where services send to is where it listens, by the protocol that is the default.
    let endpoint = endpoint()?;
    let protocols = &collector["receivers"]["otlp"]["protocols"];
    let listens = protocols["grpc"]["endpoint"].as_str().context("no gRPC")?;
    let port = |address: &str| address.rsplit(':').next().unwrap_or_default().to_owned();
    ensure!(
        endpoint.starts_with("http://collector:") && port(&endpoint) == port(listens),
        "services send to {endpoint}, it listens on {listens}"
    );
    let sends = compose["x-environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"].as_str();
    ensure!(sends == Some("${TIDEMILL_OTLP_ENDPOINT:-}"), "{sends:?}");

    for signal in SENT {
        let pipeline = &collector["service"]["pipelines"][signal];
        ensure!(
            list(&pipeline["receivers"]).any(|name| name == "otlp"),
            "nobody takes {signal}"
        );
        for part in ["receivers", "processors", "exporters"] {
            for name in list(&pipeline[part]) {
                ensure!(
                    collector[part].get(name).is_some(),
                    "{name} of the pipeline of {signal} is not configured"
                );
            }
        }
        ensure!(list(&pipeline["exporters"]).next().is_some(), "{signal} go nowhere");
    }
    let jaeger = collector["exporters"]["otlp/jaeger"]["endpoint"].as_str();
    ensure!(jaeger == Some("jaeger:4317"), "{jaeger:?}");
    ensure!(
        services["jaeger"]["profiles"] == ours["profiles"],
        "Jaeger is of another profile"
    );
    let scraped = collector["exporters"]["prometheus"]["endpoint"]
        .as_str()
        .context("no metrics")?;
    let published = list(&ours["ports"]).any(|one| one.ends_with(&format!(":{}", port(scraped))));
    ensure!(published, "{scraped} is not published: {}", ours["ports"]);
    Ok(())
}

/// Where `deploy/docker/environment --telemetry` lets services send to.
fn endpoint() -> Result<String> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("env");
    let made = Command::new(root().join("deploy/docker/environment"))
        .arg("--telemetry")
        .arg(&file)
        .status()?;
    ensure!(made.success(), "deploy/docker/environment failed");
    let text = std::fs::read_to_string(file)?;
    ensure!(
        text.lines().any(|line| line == "COMPOSE_PROFILES=telemetry"),
        "no profile"
    );
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix("TIDEMILL_OTLP_ENDPOINT="));
    Ok(found.context("no endpoint")?.to_owned())
}

fn list(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn yaml(name: &str) -> Result<Value> {
    let text = std::fs::read_to_string(root().join(name)).context(name.to_owned())?;
    serde_saphyr::from_str(&text).with_context(|| name.to_owned())
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
