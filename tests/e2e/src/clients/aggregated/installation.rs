//! A whole installation, from the chart to its end.

use std::path::Path;

use anyhow::{Result, ensure};
use tidemill_kit::{NatsServer, Running, command, wait_until};

use super::{owned, write};
use crate::clients::fixtures::LONG;
use crate::clients::ground::{Cluster, RELEASE};
use crate::clients::program::SOON;

/// Room for streams of 4 GiB.
const STORE: &str = "jetstream { sync_interval: always, max_file: 12GB, max_mem: 64MB }";

/// Installed, two gateways, both killed, a store that is another, uninstalled.
pub(super) fn an_installation_lives_and_goes(path: &Path) -> Result<()> {
    let cluster = Cluster::installed(path)?;
    let admin = |arguments: &[&str]| cluster.kubectl(arguments);
    let (own, other) = (NatsServer::start_with(STORE)?, NatsServer::start_with(STORE)?);
    let serve = |name: &str, nats: &NatsServer| -> Result<Running> {
        let running = gateway(&cluster, name, nats)?;
        cluster.lead(cluster.port(&cluster.folder(name))?)?;
        Ok(running)
    };
    let mut first = serve("first", &own)?;
    cluster.wait_until_available()?;
    let file = cluster.folder("run.yaml");
    std::fs::write(&file, LONG)?;
    admin(&["create", "-f", &file.to_string_lossy()])?;
    let uid = admin(&["get", "pipelinerun", "long", "-o", "jsonpath={.metadata.uid}"])?;
    write(&cluster, &owned("long", &uid))?;
    // The second is known by the same authority: nothing has to be changed for it.
    let authority = cluster.authority("v1.tekton.dev")?;
    let mut second = serve("second", &own)?;
    first.kill()?;
    cluster.wait_until_available()?;
    until(&cluster, "long")?;
    ensure!(
        cluster.authority("v1.tekton.dev")? == authority,
        "each has an authority of its own"
    );
    second.kill()?;
    ensure!(
        wait_until(SOON, || admin(&["get", "pipelineruns"]).is_err()),
        "somebody answers for the dead"
    );
    // Another store knows none of these runs. Were it served, the cluster would delete what they own.
    let mut stranger = serve("stranger", &other)?;
    let refused = wait_until(SOON, || stranger.spoken().contains("tidemill.dev/store"));
    ensure!(
        refused,
        "it did not see that the store is another:\n{}",
        stranger.spoken()
    );
    let said = admin(&["get", "pipelineruns"]).err().map(|error| format!("{error:#}"));
    ensure!(said.is_some(), "the gateway of another store is served");
    stranger.stop()?;
    let mut third = serve("third", &own)?;
    until(&cluster, "long")?;
    // Its collector works again and finds nothing to collect.
    admin(&["create", "namespace", "last"])?;
    admin(&["delete", "namespace", "last", "--timeout=60s"])?;
    admin(&["get", "configmap", "owned"])?;
    cluster.helm(&["uninstall", RELEASE])?;
    ensure!(cluster.services()?.is_empty(), "APIServices stay behind");
    third.stop()?;
    // Nothing is asked of who is not there any more.
    admin(&["create", "namespace", "after"])?;
    admin(&["delete", "namespace", "after", "--timeout=60s"]).map(drop)
}

fn until(cluster: &Cluster, name: &str) -> Result<()> {
    let mut last = String::new();
    let came = wait_until(SOON, || {
        let said = cluster.kubectl(&["get", "pipelinerun", name]);
        last = said.as_ref().map_or_else(|error| format!("{error:#}"), Clone::clone);
        said.is_ok()
    });
    ensure!(came, "{last}");
    Ok(())
}

/// A gateway alone, with a state directory of its own; all of them have the same token, as by the chart.
fn gateway(cluster: &Cluster, name: &str, nats: &NatsServer) -> Result<Running> {
    let state = cluster.folder(name);
    cluster.settle(&state)?;
    let mut command = command(&state, &["gateway", "--nats", &nats.url()])?;
    command
        .env("TIDEMILL_GATEWAY_TOKEN", "a-token-of-all-gateways")
        .env("TIDEMILL_STREAMS_STORE", "4GiB");
    let mut running = Running::start(command)?;
    running.wait_until_says("gateway ready", SOON)?;
    Ok(running)
}
