//! The gateway alone on a nats-server that syncs, as kube-apiserver is alone: nobody acts on what is written.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;
use tidemill_kit::{NatsServer, Running, command};

use crate::client::Client;
use crate::stage::memory_mib;

const READY_LIMIT: Duration = Duration::from_secs(20);
/// What the streams may take of the kit's nats-server.
const STORE: &str = "700MiB";

/// Both processes, ended when dropped: the gateway first.
pub(super) struct Ours {
    gateway: Running,
    server: NatsServer,
    folder: TempDir,
}

impl Ours {
    pub(super) fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidemill-bench-").tempdir()?;
        let server = NatsServer::start()?;
        let mut gateway = command(&folder.path().join("state"), &["gateway", "--nats", &server.url()])?;
        gateway.env("TIDEMILL_STREAMS_STORE", STORE);
        let mut gateway = Running::start(gateway)?;
        gateway.wait_until_says("gateway ready", READY_LIMIT)?;
        Ok(Self {
            gateway,
            server,
            folder,
        })
    }

    pub(super) async fn client(&self) -> Result<Client> {
        client(self.folder.path()).await
    }

    /// What both processes hold, in MiB.
    pub(super) fn memory_mib(&self) -> Result<f64> {
        Ok(memory_mib(self.gateway.pid())? + memory_mib(self.server.pid())?)
    }
}

/// A client of the server whose state directory lies in `folder`.
pub(super) async fn client(folder: &Path) -> Result<Client> {
    Client::of_kubeconfig(&folder.join("state/kubeconfig")).await
}
