//! A bus with its streams, a planner played by the test, and runners that can be killed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tidemill_bus::{Bus, Connect, ConsumerSpec, Memory, Message, Stored, blob, layout};
use tidemill_kit::NatsServer;
use tidemill_messages::envelope::{RUN_OVER, VERSION};
use tidemill_messages::{
    AttemptKey, AttemptOutcome, CancelReason, CancelTask, Ending, Fact, FactBody, StartTask, decode, encode, stream,
    subject,
};
use tidemill_runner::{Error, Runner, Settings};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::place::Place;

const RUN: &str = "run-1";
const PATIENCE: Duration = Duration::from_secs(900);

pub(crate) struct World {
    /// Without a server: the bus, which does what a test says.
    pub(crate) memory: Memory,
    server: Option<String>,
    pub(crate) bus: Bus,
    pub(crate) place: Place,
    directory: TempDir,
}

/// A runner's process.
pub(crate) struct Process {
    handle: JoinHandle<Result<(), Error>>,
    stop: CancellationToken,
}

impl World {
    /// With a run that goes on.
    pub(crate) async fn new() -> Self {
        let world = Self::without_run().await;
        world.decide(false).await;
        world
    }

    pub(crate) async fn without_run() -> Self {
        Self::with(Memory::default(), None).await
    }

    /// On a real nats-server, with a run that goes on. The clock must not be paused.
    pub(crate) async fn on(server: &NatsServer) -> Self {
        let world = Self::with(Memory::default(), Some(server.url())).await;
        world.decide(false).await;
        world
    }

    async fn with(memory: Memory, server: Option<String>) -> Self {
        let bus = connect(&memory, server.as_deref()).await;
        let limits = layout::Limits::default().fitting(1_000_000_000);
        layout::ensure(&bus, &limits).await.unwrap();
        Self {
            memory,
            server,
            bus,
            place: Place::new(),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn settings(&self, id: &str) -> Settings {
        Settings {
            id: id.to_owned(),
            place: "here".to_owned(),
            state_dir: self.directory.path().to_owned(),
            slots: 4,
            ..Settings::default()
        }
    }

    pub(crate) fn runner(&self, id: &str) -> Process {
        self.runner_with(self.settings(id), &self.place)
    }

    pub(crate) fn runner_with(&self, settings: Settings, place: &Place) -> Process {
        let (memory, server) = (self.memory.clone(), self.server.clone());
        let (place, stop) = (Arc::new(place.clone()), CancellationToken::new());
        let stopping = stop.clone();
        let handle = tokio::spawn(async move {
            let bus = connect(&memory, server.as_deref()).await;
            Runner::new(settings, bus, vec![place]).run(stopping).await
        });
        Process { handle, stop }
    }

    pub(crate) async fn decide(&self, is_over: bool) {
        let message = Message::new(subject::decision(RUN), "{}").header(RUN_OVER, is_over.to_string());
        self.bus.publish(message).await.unwrap();
    }

    /// Dispatches the first attempt of `task`; gives its key and the sequence of the command.
    pub(crate) async fn dispatch(&self, task: &str) -> AttemptKey {
        self.dispatch_with(task, 5).await.0
    }

    pub(crate) async fn dispatch_with(&self, task: &str, priority: u8) -> (AttemptKey, u64) {
        let (key, message) = self.command(task, priority);
        let sequence = self.bus.publish(message.expecting(0)).await.unwrap();
        (key, sequence)
    }

    pub(crate) fn command(&self, task: &str, priority: u8) -> (AttemptKey, Message) {
        let command: StartTask = serde_json::from_value(json!({
            "version": 1, "task": task, "attempt": 0,
            "run": {"kind": "PipelineRun", "namespace": "default", "name": "release", "uid": RUN},
            "taskRun": {"name": format!("release-{task}"), "uid": "task-run-uid"},
            "spec": {"steps": [{"name": "work", "image": "registry.example/work", "command": ["work"]}]},
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        }))
        .unwrap();
        let key = command.key();
        let subject = subject::task(&key, "process", priority);
        let payload = encode(&subject, &command).unwrap();
        (key, Message::new(subject, payload))
    }

    pub(crate) async fn cancel(&self, key: &AttemptKey, reason: CancelReason) {
        let subject = subject::cancel(key);
        let command = CancelTask {
            version: VERSION,
            reason,
            at: self.bus.now(),
        };
        let payload = encode(&subject, &command).unwrap();
        self.bus
            .publish(Message::new(subject, payload).expecting(0))
            .await
            .unwrap();
    }

    /// Waits for the outcome of an attempt.
    pub(crate) async fn finished(&self, key: &AttemptKey) -> AttemptOutcome {
        let stored = self.first(stream::FACTS, &subject::attempt_fact(key, "finished")).await;
        let payload = blob::payload(&self.bus, &stored).await.unwrap();
        let fact: Fact = decode(&stored.subject, &payload).unwrap();
        match fact.body {
            FactBody::AttemptFinished { outcome, .. } => outcome,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn ending(&self, key: &AttemptKey) -> Ending {
        self.finished(key).await.ending
    }

    /// Waits for the first message of a filter.
    pub(crate) async fn first(&self, stream: &str, filter: &str) -> Stored {
        let mut reader = self.bus.reader(stream, filter, 0, false).await.unwrap();
        let first = timeout(PATIENCE, reader.next()).await;
        first.unwrap_or_else(|_| panic!("nothing on {filter}")).unwrap()
    }

    pub(crate) async fn all(&self, stream: &str, filter: &str) -> Vec<Stored> {
        self.bus.read_all(stream, filter, 0, false).await.unwrap()
    }

    /// How many tasks come again to who asks for them, once no runner does.
    pub(crate) async fn unacknowledged(&self) -> usize {
        let settings = Settings::default();
        let spec = ConsumerSpec {
            stream: stream::RUNS.to_owned(),
            name: "runner-process".to_owned(),
            filters: vec![subject::tasks_of_class("process")],
            ack_wait: settings.ack_wait.duration(),
            max_ack_pending: settings.class_capacity,
            pinned: None,
            from_start: true,
        };
        let mut consumer = self.bus.consumer(&spec).await.unwrap();
        let batch = timeout(spec.ack_wait * 3, consumer.next_batch(16)).await;
        batch.map_or(0, |batch| batch.unwrap().len())
    }

    /// Lets `span` pass, in which everything that is due happens.
    pub(crate) async fn pass(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

async fn connect(memory: &Memory, server: Option<&str>) -> Bus {
    match server {
        Some(url) => Bus::connect(Connect::new(url)).await.unwrap(),
        None => memory.connect(),
    }
}

impl Process {
    /// As SIGKILL does.
    pub(crate) async fn kill(mut self) {
        self.handle.abort();
        assert!((&mut self.handle).await.unwrap_err().is_cancelled());
    }

    /// As SIGTERM does.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        (&mut self.handle).await.unwrap().unwrap();
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(mut self) -> Result<(), Error> {
        timeout(PATIENCE, &mut self.handle).await.unwrap().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.handle.abort();
    }
}
