//! `tidemill up`: everything on this machine, with one command.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use tidemill_telemetry::log;

use crate::cli::Global;
use crate::error::{Error, Exit};
use crate::say;
use crate::server::{Nats, Options, Server};
use crate::signals::Signals;

/// Run everything on this machine
///
/// Starts a private nats-server, the gateway, a planner and a runner, and writes a kubeconfig. Ctrl-C
/// once drains, twice stops.
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill up --state-dir ./state")]
pub(crate) struct Up {
    /// Where the gateway listens [default: as the last time, else a free port of 127.0.0.1]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Settings of the services [default: tidemill.toml of the state directory, if it is there]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    #[command(flatten)]
    nats: Nats,
}

impl Up {
    /// Runs until it is told to end, or a part fails.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        start_log("warn")?;
        // From here on, so that a signal during the start is not lost.
        let mut signals = Signals::new()?;
        let state = global.state()?;
        let options = Options {
            nats: self.nats,
            listen: self.listen,
            settings: self.settings,
            needs_backend: false,
        };
        let mut server = Server::start(&state, &options).await?;
        say::talk(&server.banner(say::stderr().palette));
        let failure = tokio::select! {
            error = server.failed() => Some(error),
            () = signals.next() => None,
        };
        if failure.is_none() {
            let running = server.running().await;
            say::line(&format!(
                "draining: no new task starts; {running}; Ctrl-C again stops at once"
            ));
            tokio::select! {
                () = server.drain() => say::line("drained"),
                () = signals.next() => {
                    let running = server.running().await;
                    say::line(&format!("stopping: {running}; the next `tidemill up` takes over what goes on"));
                }
            }
        }
        server.stop().await;
        failure.map_or(Ok(Exit::Success), Err)
    }
}

/// Starts the log of this process.
pub(crate) fn start_log(default: &str) -> Result<(), Error> {
    let format = match std::env::var("TIDEMILL_LOG_FORMAT").as_deref() {
        Ok("json") => log::Format::Json,
        Ok("text") | Err(_) => log::Format::Text,
        Ok(other) => {
            return Err(Error::usage(format!(
                "TIDEMILL_LOG_FORMAT=`{other}`; expected text or json"
            )));
        }
    };
    log::start(format, default).map_err(|error| Error::usage(error.to_string()))
}
