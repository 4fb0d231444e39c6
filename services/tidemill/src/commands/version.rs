//! `tidemill version`: of the command and of the server.

use clap::Args;

use crate::cli::Global;
use crate::error::{Error, Exit};
use crate::{json, say};

/// Show the versions of the command and of the server
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill version")]
pub(crate) struct Version {
    /// Only that of the command; asks no server
    #[arg(long)]
    client: bool,
}

impl Version {
    /// Prints them. A server that does not run is no error.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        say::data(&format!("tidemill {}\n", env!("CARGO_PKG_VERSION")));
        if self.client {
            return Ok(Exit::Success);
        }
        match global.client().await {
            Ok(client) => {
                let version = client.version().await?;
                let text = json::text(&version, "/gitVersion");
                say::data(&format!("server {text} at {}\n", client.address()));
            }
            Err(Error::NotRunning { .. }) => say::line("no server runs with this state directory"),
            Err(error) => return Err(error),
        }
        Ok(Exit::Success)
    }
}
