//! The server a run uses: the one that is there, or one of its own.

use std::time::Duration;

use tokio::time::Instant;

use crate::cli::Global;
use crate::client::{self, Client};
use crate::commands::up::start_log;
use crate::error::Error;
use crate::server::{Nats, Options, Server};
use crate::state::StateDir;

/// How long a server that was just started by somebody else may take to be ready.
const STARTING_LIMIT: Duration = Duration::from_secs(30);
/// How often it is looked for in the meantime.
const STARTING_STEP: Duration = Duration::from_millis(20);

/// A server for the time of a run.
pub(crate) struct Session {
    client: Client,
    own: Option<Server>,
}

impl Session {
    /// Finds the server, or brings one up in this process, with the same state directory, so that
    /// its history stays.
    ///
    /// # Errors
    /// [`Error::Usage`], [`Error::NatsServer`], [`Error::Service`].
    pub(crate) async fn open(global: &Global, nats: &Nats) -> Result<Self, Error> {
        if global.kubeconfig().is_some() {
            let client = global.client().await?;
            return Ok(Self { client, own: None });
        }
        let state = global.state()?;
        if state.running().is_some() {
            let client = client::from_state(&state, global.namespace()).await?;
            return Ok(Self { client, own: None });
        }
        start_log("error")?;
        let options = Options {
            nats: nats.clone(),
            needs_backend: true,
            ..Options::default()
        };
        let own = match Server::start(&state, &options).await {
            Ok(server) => Some(server),
            Err(Error::AlreadyRunning { .. }) => {
                wait_for(&state).await?;
                None
            }
            Err(error) => return Err(error),
        };
        let client = client::from_state(&state, global.namespace()).await?;
        Ok(Self { client, own })
    }

    /// The way to the server.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Takes the server down, if it is ours.
    pub(crate) async fn close(self) {
        if let Some(server) = self.own {
            server.stop().await;
        }
    }
}

/// Waits for the server that holds the directory and is not ready yet.
async fn wait_for(state: &StateDir) -> Result<(), Error> {
    let start = Instant::now();
    while state.running().is_none() {
        if start.elapsed() > STARTING_LIMIT {
            return Err(Error::failed(
                format!(
                    "the server on {} is not ready after {} s",
                    state.path().display(),
                    STARTING_LIMIT.as_secs()
                ),
                "see what it says, or stop it",
            ));
        }
        tokio::time::sleep(STARTING_STEP).await;
    }
    Ok(())
}
