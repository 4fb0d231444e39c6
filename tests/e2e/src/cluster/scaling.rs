//! The runners' ScaledObject, without KEDA: it is as KEDA's own definition wants it, and what it names is there.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tidemill_kit::Cluster;

use tidemill_kit::tool;

/// What has the ScaledObject in the chart.
pub(super) const ENABLED: &str = "keda.enabled=true";
const OBJECT: [&str; 4] = ["scaledobjects.keda.sh", "tidemill-runner", "-n", "tidemill"];

/// Makes KEDA's definition known to the cluster.
pub(super) fn define(cluster: &Cluster) -> Result<()> {
    let definition = tool("keda", &[])?;
    cluster.kubectl(&["apply", "--server-side", "-f", &definition])?;
    let name = "customresourcedefinition/scaledobjects.keda.sh";
    cluster
        .kubectl(&["wait", "--for=condition=Established", "--timeout=30s", name])
        .map(drop)
}

/// The API server knows every field of every object of the chart, the ScaledObject's by KEDA's schema.
pub(super) fn every_field_is_known(cluster: &Cluster, folder: &Path) -> Result<()> {
    let output = Command::new(tool("helm", &[])?)
        .args(["get", "manifest", "tidemill", "--namespace", "tidemill"])
        .env("KUBECONFIG", cluster.kubeconfig())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let manifest = folder.join("manifest.yaml");
    fs::write(&manifest, &output.stdout)?;
    let manifest = manifest.display().to_string();
    let strictly = [
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
    ];
    // In whatever namespace, as nothing is made.
    let words = ["apply", "-f", manifest.as_str()];
    let applied = cluster.kubectl(&[&words[..], &strictly[..]].concat())?;
    ensure!(applied.contains("scaledobject.keda.sh/tidemill-runner"), "{applied}");
    Ok(())
}

/// nats-server tells of the consumer where KEDA asks for it, and each runner how many tasks it runs. `ask` asks from a pod.
pub(super) fn what_it_names_is_there(cluster: &Cluster, ask: impl Fn(&str) -> Result<String>) -> Result<()> {
    let object = cluster.get(&OBJECT)?;
    let triggers = object["spec"]["triggers"].as_array().context("triggers")?;
    let [waiting, running] = &triggers[..] else {
        anyhow::bail!("two triggers were expected: {triggers:?}");
    };
    let text = |trigger: &Value, key: &str| trigger["metadata"][key].as_str().unwrap_or_default().to_owned();
    // As the scaler writes it.
    let (endpoint, account) = (text(waiting, "natsServerMonitoringEndpoint"), text(waiting, "account"));
    let told = ask(&format!(
        "http://{endpoint}/jsz?acc={account}&config=true&consumers=true"
    ))?;
    let told: Value = serde_json::from_str(&told)?;
    let consumer = named(&told["account_details"], &account)
        .and_then(|account| named(&account["stream_detail"], &text(waiting, "stream")))
        .and_then(|stream| named(&stream["consumer_detail"], &text(waiting, "consumer")))
        .with_context(|| format!("nats-server does not tell of what {waiting} names: {told}"))?;
    // All that was to be done is done.
    let lag = (consumer["num_pending"].as_u64(), consumer["num_ack_pending"].as_u64());
    ensure!(lag == (Some(0), Some(0)), "{consumer}");
    let metric = text(running, "valueLocation");
    let metrics = ask(&text(running, "url"))?;
    let value = metrics
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{metric} ")));
    ensure!(value == Some("0"), "{metric} is {value:?} in\n{metrics}");
    Ok(())
}

fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|entry| entry["name"] == name)
}
