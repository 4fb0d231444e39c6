//! A backend on a scripted API, and steps that speak to it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tidemill_bus::steps::Issuer;
use tidemill_bus::{Bus, Memory, Message};
use tidemill_messages::assignment::{FROM, SEQUENCE};
use tidemill_messages::report::{ContainerEnd, ContainerReport, Report, ReportBody};
use tidemill_messages::{AttemptKey, AttemptOutcome, Ending, StartTask, subject};
use tidemill_pod::kubernetes::Delivery;
use tidemill_resources::task_run::TerminationReason;
use tidemill_runner::StepLine;
use tidemill_runner::backend::kubernetes::{Cluster, ClusterLookup, KubernetesBackend, Settings};
use tidemill_runner::backend::{Backend, Event, Play, Playing};
use tidemill_settings::Span;
use tokio::sync::mpsc;

use crate::api::Api;

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const POD: &str = "r-build-pod";

/// A backend on an API of its own.
pub(crate) struct Kit {
    pub(crate) api: Api,
    pub(crate) bus: Bus,
    pub(crate) backend: KubernetesBackend,
}

/// An attempt that was prepared or adopted, with what is heard of it.
pub(crate) struct Attempt {
    pub(crate) playing: Box<dyn Playing>,
    pub(crate) events: mpsc::Receiver<Event>,
}

impl Kit {
    pub(crate) fn new() -> Self {
        Self::on(Api::default(), Memory::default().connect())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self::of(settings, Api::default(), Memory::default().connect())
    }

    /// Another backend of the same place.
    pub(crate) fn on(api: Api, bus: Bus) -> Self {
        Self::of(Settings::default(), api, bus)
    }

    fn of(settings: Settings, api: Api, bus: Bus) -> Self {
        let settings = Settings {
            delivery: Some(Delivery::HostPath {
                path: "/opt/tidemill".to_owned(),
            }),
            unschedulable: Span::millis(50),
            kill_patience: Span::millis(50),
            ..settings
        };
        let cluster = Cluster::with_client(api.client(), "scripted");
        let issuer = Issuer::from_seed(&Issuer::new_seed()).unwrap();
        let line = StepLine::new(bus.clone(), issuer, ([127, 0, 0, 1], 4222).into());
        let lookup = Arc::new(ClusterLookup::new(cluster.clone()));
        let backend = KubernetesBackend::new(settings, cluster, "here", line, lookup.clone(), lookup).unwrap();
        Self { api, bus, backend }
    }

    pub(crate) async fn prepare(&self) -> Attempt {
        let (sender, events) = mpsc::channel(64);
        let playing = self.backend.prepare(play(), sender).await.unwrap();
        Attempt { playing, events }
    }

    /// One whose pod is there.
    pub(crate) async fn started(&self) -> Attempt {
        let mut attempt = self.prepare().await;
        attempt.playing.start().await.unwrap();
        attempt
    }

    /// The step says it, as the report of this number.
    pub(crate) async fn say(&self, sequence: u64, body: ReportBody) {
        let report = Report {
            attempt: key(),
            sequence,
            at: Timestamp::UNIX_EPOCH,
            body,
        };
        let payload = serde_json::to_vec(&report).unwrap();
        let message = Message::new(subject::step_report(&key()), payload)
            .header(SEQUENCE, sequence.to_string())
            .header(FROM, "1");
        self.bus.notify(message).await.unwrap();
    }
}

impl Attempt {
    pub(crate) async fn next(&mut self) -> Event {
        let next = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        next.expect("an event in time").expect("an event")
    }

    pub(crate) async fn outcome(&mut self) -> AttemptOutcome {
        loop {
            match self.next().await {
                Event::Finished(outcome) => return *outcome,
                Event::Report(_) => {}
                Event::Gone { message, .. } => panic!("gone: {message}"),
            }
        }
    }

    /// Reason and message of its failure.
    pub(crate) async fn failure(&mut self) -> (String, String) {
        match self.outcome().await.ending {
            Ending::Failed { reason, message } => (reason, message),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn key() -> AttemptKey {
    AttemptKey::new("run-uid", "build", 0)
}

pub(crate) fn play() -> Play {
    let command: StartTask = serde_json::from_value(json!({
        "version": 1,
        "run": {"kind": "PipelineRun", "namespace": "shop", "name": "r", "uid": "run-uid"},
        "task": "build",
        "attempt": 0,
        "taskRun": {"name": "r-build", "uid": "task-run-uid"},
        "spec": {"steps": [{"name": "a", "image": "i", "script": "true"}]},
    }))
    .unwrap();
    let pod = tidemill_pod::build(&command, &tidemill_pod::Options::default()).unwrap();
    Play {
        key: command.key(),
        command: Arc::new(command),
        pod: Arc::new(pod),
    }
}

pub(crate) fn end(exit_code: i32, message: &str) -> ContainerEnd {
    ContainerEnd {
        started_at: Some(Timestamp::UNIX_EPOCH),
        exit_code,
        reason: match exit_code {
            0 => TerminationReason::Completed,
            _ => TerminationReason::Error,
        },
        message: message.to_owned(),
        results: Vec::new(),
        out_of_memory: false,
    }
}

pub(crate) fn finished(end: ContainerEnd) -> ReportBody {
    let container = ContainerReport {
        container: "step-a".to_owned(),
        end,
        at: Timestamp::UNIX_EPOCH,
    };
    ReportBody::Finished {
        containers: vec![container],
        results: Vec::new(),
        failure: None,
        killed: None,
    }
}

/// Waits until it holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waited).await.is_ok(), "{what}");
}
