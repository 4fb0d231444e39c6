//! `tidemill health`: for the health checks of containers.

use clap::Args;

use crate::cli::Global;
use crate::error::{Error, Exit};

/// Services that can be asked.
const SERVICES: [&str; 5] = ["deployer", "gateway", "ingest", "planner", "runner"];

/// Ask a service of this machine whether it is well
///
/// It is when it has started and its connection to nats-server is up. A health check in the service's
/// container needs nothing else; `tidemill up` is not asked.
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill health planner")]
pub(crate) struct Health {
    /// Which one
    #[arg(value_name = "SERVICE", value_parser = SERVICES)]
    service: String,
}

impl Health {
    /// Says nothing when all is well.
    pub(crate) fn run(self, global: &Global) -> Result<Exit, Error> {
        crate::server::ask_health(&global.state()?, &self.service)?;
        Ok(Exit::Success)
    }
}
