//! Tidemill's services beside the cluster: all in one process, or each in one of its own.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tidemill_kit::{Collector, NatsServer, Up};

use super::world::tree;
use crate::journal::kill_nats_server;
use crate::resume::services::{CLUSTER_RUNNER, DEPLOYER, GATEWAY, INGEST, PLANNERS, Role, Services};

/// What dies alone, once each.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Runner,
    Planner,
    NatsServer,
    Deployer,
}

/// The running services, ended when dropped.
pub(super) enum Platform {
    /// `tidemill up` with its own nats-server.
    Together(Up),
    /// A process for each, and where webhooks are sent.
    Apart(Services, String),
}

impl Platform {
    /// `tidemill up` on this state.
    pub(super) fn together(state: &Path, collector: &Collector) -> Result<Self> {
        let up = Up::start(state, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())])?;
        ensure!(
            up.process.spoken().contains("kubernetes ("),
            "the cluster was not found:\n{}",
            up.process.spoken()
        );
        Ok(Self::Together(up))
    }

    /// Each service as a process of its own, on a nats-server of the test's.
    pub(super) fn apart(state: &Path, collector: &Collector) -> Result<Self> {
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let (server, mut environment) = nats_server()?;
        environment.push(("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()));
        environment.push(("TIDEMILL_INGEST_LISTEN", listen.clone()));
        let mut services = Services::on(server, state, &environment)?;
        for role in [GATEWAY, PLANNERS[0], CLUSTER_RUNNER, DEPLOYER, INGEST] {
            services.add(role)?;
        }
        Ok(Self::Apart(services, format!("http://{listen}")))
    }

    /// All that they said.
    pub(super) fn spoken(&self) -> String {
        match self {
            Self::Together(up) => up.process.spoken(),
            Self::Apart(services, _) => services.spoken(),
        }
    }

    /// Where listeners are: `http://<host>:<port>`.
    pub(super) fn webhooks(&self) -> Result<String> {
        match self {
            Self::Apart(_, url) => Ok(url.clone()),
            Self::Together(up) => up.webhooks(),
        }
    }

    /// How many messages each stream holds, as nats-server tells.
    pub(super) fn messages(&self) -> Result<BTreeMap<String, u64>> {
        let Self::Apart(services, _) = self else {
            bail!("a private nats-server tells nobody");
        };
        let address = services.server.monitoring()?;
        let asked = Command::new("curl")
            .args(["-sf", &format!("http://{address}/jsz?accounts=true&streams=true")])
            .output()
            .context("curl")?;
        let told: Value = serde_json::from_slice(&asked.stdout).context("what nats-server tells")?;
        let accounts = told["account_details"].as_array();
        let streams = accounts
            .into_iter()
            .flatten()
            .filter_map(|account| account["stream_detail"].as_array())
            .flatten();
        streams
            .map(|stream| {
                let name = stream["name"].as_str().context("a stream without a name")?;
                let count = stream["state"]["messages"]
                    .as_u64()
                    .context("a stream without a state")?;
                Ok((name.to_owned(), count))
            })
            .collect()
    }

    /// Kills everything as a power cut would: nats-server, and the process of all services.
    pub(super) fn kill(&mut self) -> Result<()> {
        let Self::Together(up) = self else {
            bail!("only services in one process are killed at once");
        };
        kill_nats_server(up.state())?;
        up.process.kill()
    }

    /// Kills one part and starts it anew, while the others go on.
    pub(super) fn kill_alone(&mut self, part: Part) -> Result<()> {
        let Self::Apart(services, _) = self else {
            bail!("services in one process are not killed one by one");
        };
        let mut again = |role: Role| {
            services.kill(role)?;
            services.add(role)
        };
        match part {
            Part::Runner => again(CLUSTER_RUNNER),
            Part::Planner => again(PLANNERS[0]),
            Part::Deployer => again(DEPLOYER),
            Part::NatsServer => {
                services.server.kill()?;
                services.server.restart()
            }
        }
    }
}

/// A nats-server as deploy/nats has it for clusters, with new keys; and what services must know of it.
fn nats_server() -> Result<(NatsServer, Vec<(&'static str, String)>)> {
    let made = Command::new(tree().join("deploy/helm/make-secret"))
        .arg("any")
        .output()
        .context("deploy/helm/make-secret")?;
    let made: Value = serde_json::from_slice(&made.stdout).context("what make-secret writes")?;
    let key = |name: &str| made["stringData"][name].as_str().with_context(|| format!("no {name}"));
    let password = key("password")?;
    let server = NatsServer::start_config(
        &tree().join("deploy/nats/kubernetes.conf"),
        &[
            ("TIDEMILL_NATS_PASSWORD", password),
            ("TIDEMILL_NATS_STEPS_ISSUER", key("steps-issuer")?),
            ("TIDEMILL_NATS_KEY", key("store-key")?),
            ("TIDEMILL_NATS_MAX_FILE", "1GB"),
        ],
    )?;
    let environment = vec![
        ("TIDEMILL_NATS_USER", "tidemill".to_owned()),
        ("TIDEMILL_NATS_PASSWORD", password.to_owned()),
        ("TIDEMILL_RUNNER_KUBERNETES__STEPS_SEED", key("steps-seed")?.to_owned()),
    ];
    Ok((server, environment))
}
