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
        self.common.run(global, "planner", Service::planner).await
    }
}

impl Runner {
    /// Runs tasks until it is told to end.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        let with = |service: Service| service.runner(&self.backends);
        self.common.run(global, "runner", with).await
    }
}

impl Deployer {
    /// Watches until it is told to end.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        self.common.run(global, "deployer", Service::deployer).await
    }
}

impl Gateway {
    /// Serves until it is told to end.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        let with = |service: Service| service.gateway(self.listen);
        self.common.run(global, "gateway", with).await
    }
}

impl Ingest {
    /// Takes webhooks in until it is told to end.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        let with = |service: Service| service.ingest(self.listen);
        self.common.run(global, "ingest", with).await
    }
}

impl Common {
    /// Starts a service and runs it until it is told to end, which may be before its nats-server answers.
    async fn run<F>(&self, global: &Global, name: &'static str, with: impl FnOnce(Service) -> F) -> Result<Exit, Error>
    where
        F: Future<Output = Result<Service, Error>>,
    {
        start_log("info")?;
        // From here on: in a container nothing else would end the first process.
        let mut signals = Signals::new()?;
        let state = global.state()?;
        let starting = async { with(Service::open(&state, &self.nats, self.settings.as_deref(), name).await?).await };
        let service = tokio::select! {
            service = starting => service?,
            () = signals.next() => return Ok(Exit::Success),
        };
        service.until_told(signals).await
    }
}

impl Service {
    async fn until_told(mut self, mut signals: Signals) -> Result<Exit, Error> {
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
