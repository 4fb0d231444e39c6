//! `tidemill planner`, `runner`, `deployer`, `gateway`, `ingest`: one service a process, for a machine each or
//! several.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::up::start_log;
use crate::cli::Global;
use crate::error::{Error, Exit};
use crate::say;
use crate::server::{Nats, Service};
use crate::signals::Signals;

/// What all services take.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Settings of the services [default: tidemill.toml of the state directory, if it is there]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    #[command(flatten)]
    nats: Nats,
}

/// Run a planner
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill planner --nats nats://127.0.0.1:4222")]
pub(crate) struct Planner {
    #[command(flatten)]
    common: Common,
}

/// Run a runner
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill runner --nats nats://127.0.0.1:4222 --backend docker")]
pub(crate) struct Runner {
    /// Where tasks are played; may be given more than once [default: all that work here]
    #[arg(long = "backend", value_name = "NAME", value_parser = crate::server::BACKENDS)]
    backends: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// Run a deployer: watch Helm's releases, say what becomes of them, roll back
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill deployer --nats nats://127.0.0.1:4222")]
pub(crate) struct Deployer {
    #[command(flatten)]
    common: Common,
}

/// Run a gateway
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill gateway --nats nats://127.0.0.1:4222 --listen 127.0.0.1:7117")]
pub(crate) struct Gateway {
    /// Where it listens [default: as the last time, else a free port of 127.0.0.1]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    common: Common,
}

/// Take webhooks in and evaluate them
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill ingest --nats nats://127.0.0.1:4222 --listen 127.0.0.1:7781")]
pub(crate) struct Ingest {
    /// Where webhooks come in [default: the setting ingest.listen]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    common: Common,
}

impl Planner {
    /// Plans until it is told to end.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        self.common
            .open(global, "planner")
            .await?
            .planner()
            .await?
            .until_told()
            .await
    }
}

impl Runner {
    /// Runs tasks until it is told to end.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        self.common
            .open(global, "runner")
            .await?
            .runner(&self.backends)
            .await?
            .until_told()
            .await
    }
}

impl Deployer {
    /// Watches until it is told to end.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        self.common
            .open(global, "deployer")
            .await?
            .deployer()
            .await?
            .until_told()
            .await
    }
}

impl Gateway {
    /// Serves until it is told to end.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        self.common
            .open(global, "gateway")
            .await?
            .gateway(self.listen)
            .await?
            .until_told()
            .await
    }
}

impl Ingest {
    /// Takes webhooks in until it is told to end.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        self.common
            .open(global, "ingest")
            .await?
            .ingest(self.listen)
            .await?
            .until_told()
            .await
    }
}

impl Common {
    async fn open(&self, global: &Global, name: &'static str) -> Result<Service, Error> {
        start_log("info")?;
        Service::open(&global.state()?, &self.nats, self.settings.as_deref(), name).await
    }
}

impl Service {
    async fn until_told(mut self) -> Result<Exit, Error> {
        let mut signals = Signals::new()?;
        self.is_ready();
        say::line(&format!("{} ready; Ctrl-C ends it", self.name()));
        let failure = tokio::select! {
            error = self.failed() => Some(error),
            () = signals.next() => None,
        };
        self.stop().await;
        failure.map_or(Ok(Exit::Success), Err)
    }
}
