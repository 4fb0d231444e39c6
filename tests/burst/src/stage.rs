//! What the burst hits: an ingest and a nats-server of its own.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidemill_bus::{Bus, Connect, layout};
use tidemill_kit::{NatsServer, Running, command};
use tidemill_messages::stream::EVENTS;
use tidemill_messages::subject;
use tidemill_objects::{Objects, Options};
use tokio::time::{Instant, sleep};

use crate::deliveries::{Request, TOKEN};
use crate::send::Pace;
use crate::{CONNECTIONS, check, deliveries, send};

/// What the streams may take of nats-server's store: reserved, not used.
const STORE_BYTES: u64 = 6 << 30;
/// Its settings: every write is synced, as `tidemill up` has it.
const SERVER: &str = "jetstream { sync_interval: always, max_file: 8GB, max_mem: 64MB }";
/// How long ingest may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long what was accepted may take to come to its end.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);
/// How long nats-server stays away.
const AWAY: Duration = Duration::from_millis(500);

/// Both, ended when dropped.
pub struct Stage {
    ingest: Option<Running>,
    server: NatsServer,
    address: SocketAddr,
    folder: TempDir,
    /// The most memory any ingest took that was killed.
    memory_kib: u64,
}

impl Stage {
    /// Starts both, with a listener that makes a PipelineRun of each push to `main`.
    ///
    /// # Errors
    /// When one of them does not start.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidemill-burst-").tempdir()?;
        let server = NatsServer::start_with(SERVER)?;
        let mut stage = Self {
            ingest: None,
            server,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            folder,
            memory_kib: 0,
        };
        let bus = stage.bus().await?;
        layout::ensure(&bus, &layout::Limits::default().fitting(STORE_BYTES)).await?;
        furnish(&bus).await?;
        stage.start_ingest()?;
        Ok(stage)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A connection of the test's own.
    ///
    /// # Errors
    /// When nats-server does not answer.
    pub async fn bus(&self) -> Result<Bus> {
        Ok(Bus::connect(Connect::new(self.server.url())).await?)
    }

    /// Sends so many pushes that nobody listens to, as fast as it goes; gives how long it took until
    /// all were accepted. `first` numbers the first of them.
    ///
    /// # Errors
    /// When one is not accepted.
    pub async fn flood(&self, first: usize, count: usize) -> Result<Duration> {
        let requests: Arc<[Request]> = (first..first + count).map(deliveries::elsewhere).collect();
        let begin = Instant::now();
        send::start(self.address, requests, Pace::Fast, CONNECTIONS)
            .finish()
            .await?;
        Ok(begin.elapsed())
    }

    /// Waits until every event has come to its end.
    ///
    /// # Errors
    /// When that takes longer than two minutes.
    pub async fn settle(&self) -> Result<()> {
        check::settle(self, SETTLE_LIMIT).await.map(drop)
    }

    /// Payload of the message that such a push is stored as.
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn payload(&self, bus: &Bus) -> Result<Vec<u8>> {
        self.flood(usize::MAX / 2, 1).await?;
        let stored = bus.last(EVENTS, subject::ALL_EVENTS).await?;
        Ok(stored.context("no event was stored")?.payload.to_vec())
    }

    /// Kills ingest and starts another in its place.
    pub(crate) async fn kill_ingest(&mut self) -> Result<()> {
        tokio::task::block_in_place(|| {
            self.memory_kib = self.memory_kib()?;
            self.ingest.take().context("ingest does not run")?.kill()?;
            self.start_ingest()
        })
    }

    /// Kills nats-server, and starts it again a moment later.
    pub(crate) async fn kill_nats_server(&mut self) -> Result<()> {
        tokio::task::block_in_place(|| self.server.kill())?;
        sleep(AWAY).await;
        tokio::task::block_in_place(|| self.server.restart())
    }

    /// The most memory any ingest took so far, in KiB.
    pub(crate) fn memory_kib(&self) -> Result<u64> {
        let pid = self.ingest.as_ref().context("ingest does not run")?.pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context("ingest ended by itself")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|line| line.split_whitespace().next()?.parse().ok());
        Ok(self.memory_kib.max(peak.context("no VmHWM")?))
    }

    /// What ingest said.
    pub(crate) fn spoken(&self) -> String {
        self.ingest.as_ref().map(Running::spoken).unwrap_or_default()
    }

    fn start_ingest(&mut self) -> Result<()> {
        let state = self.folder.path().join("state");
        let (url, listen) = (self.server.url(), self.address.to_string());
        let mut command = command(&state, &["ingest", "--nats", &url, "--listen", &listen])?;
        command
            .env("TIDEMILL_STREAMS_STORE", STORE_BYTES.to_string())
            // The burst is to find the limits of ingest, not those of its settings.
            .env("TIDEMILL_INGEST_RATE", "1000000")
            .env("TIDEMILL_INGEST_REQUESTS", (2 * crate::CONNECTIONS).to_string())
            .env("TIDEMILL_LOG", "warn");
        let mut ingest = Running::start(command)?;
        ingest.wait_until_says("Ctrl-C", READY_LIMIT)?;
        let said = ingest.spoken();
        let address = said
            .lines()
            .find_map(|line| line.strip_prefix("webhooks: http://")?.split('/').next());
        self.address = address.context("it does not say where it listens")?.parse()?;
        self.ingest = Some(ingest);
        Ok(())
    }
}

/// A listener that makes a PipelineRun of each push to `main` with the right token.
async fn furnish(bus: &Bus) -> Result<()> {
    let options = Options {
        maintain: false,
        ..Options::default()
    };
    let objects = Objects::start(bus.clone(), options).await?;
    objects.ready().await?;
    for object in furniture() {
        objects
            .create_with(object, tidemill_objects::WriteOptions::default())
            .await?;
    }
    Ok(())
}

fn furniture() -> [Value; 4] {
    let triggers = "triggers.tekton.dev/v1beta1";
    let run = json!({
        "apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"generateName": "burst-"},
        "spec": {
            "pipelineRef": {"name": "deploy"},
            "params": [{"name": "delivery", "value": "$(tt.params.delivery)"},
                       {"name": "repository", "value": "$(tt.params.repository)"}],
        },
    });
    let trigger = json!({
        "name": "push",
        "interceptors": [
            {"ref": {"name": "gitlab"}, "params": [
                {"name": "secretRef", "value": {"secretName": "git", "secretKey": "token"}},
                {"name": "eventTypes", "value": ["Push Hook"]}]},
            {"ref": {"name": "cel"}, "params": [{"name": "filter", "value": "body.ref == 'refs/heads/main'"}]},
        ],
        "bindings": [{"ref": "push"}],
        "template": {"ref": "deploy"},
    });
    [
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "git"}, "stringData": {"token": TOKEN}}),
        json!({"apiVersion": triggers, "kind": "TriggerBinding", "metadata": {"name": "push"}, "spec": {"params": [
            {"name": "delivery", "value": "$(body.checkout_sha)"},
            {"name": "repository", "value": "$(body.project.git_http_url)"}]}}),
        json!({"apiVersion": triggers, "kind": "TriggerTemplate", "metadata": {"name": "deploy"}, "spec": {
            "params": [{"name": "delivery"}, {"name": "repository"}], "resourcetemplates": [run]}}),
        json!({"apiVersion": triggers, "kind": "EventListener", "metadata": {"name": "burst"},
            "spec": {"triggers": [trigger]}}),
    ]
}
