//! A store, a cluster, deployers.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidemill_bus::layout::{self, Limits};
use tidemill_bus::{Bus, Memory, Message, Stored};
use tidemill_deployer::{Cluster, Error, Probe, Settings, run_probed};
use tidemill_messages::fact::{Fact, FactBody};
use tidemill_messages::stream::{FACTS, RELEASES};
use tidemill_messages::{DeployReport, ReleaseEvent, ReleaseReport, decode, encode, subject};
use tidemill_objects::{Objects, Options};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::Api;

/// How long anything may take before a test fails; the paused clock passes it at once.
const PATIENCE: Duration = Duration::from_secs(3600);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A store and a cluster.
pub(crate) struct World {
    pub(crate) bus: Bus,
    pub(crate) objects: Objects,
    pub(crate) api: Api,
    pub(crate) settings: Settings,
}

/// A deployer of this process.
pub(crate) struct Running {
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    /// Ends it as a crash would.
    pub(crate) async fn crash(self) {
        self.task.abort();
        drop(self.task.await);
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let bus = Memory::default().connect();
        layout::ensure(&bus, &Limits::default().fitting(1 << 30)).await.unwrap();
        let options = Options {
            own_namespaces: false,
            ..Options::default()
        };
        let objects = Objects::start(bus.clone(), options).await.unwrap();
        objects.ready().await.unwrap();
        let api = Api::default();
        api.deployment("demo", true);
        Self {
            bus,
            objects,
            api,
            settings: Settings::default(),
        }
    }

    pub(crate) fn deployer(&self) -> Running {
        self.probed(Probe::default())
    }

    pub(crate) fn probed(&self, probe: Probe) -> Running {
        let cluster = Cluster::new(self.api.client(), "ops");
        let (settings, bus, objects) = (self.settings.clone(), self.bus.clone(), self.objects.clone());
        let task = tokio::spawn(run_probed(
            settings,
            bus,
            objects,
            cluster,
            CancellationToken::new(),
            probe,
        ));
        Running { task }
    }

    /// Writes a record, now.
    pub(crate) fn helm(&self, revision: u32, status: &str, description: &str) {
        self.api.put("demo", revision, status, description, self.bus.now());
    }

    /// Waits until the deployer watches.
    pub(crate) async fn watched(&self) {
        self.until("the namespace is watched", async || {
            let last = self.bus.last(RELEASES, &subject::watching("ops")).await.unwrap();
            last.map(drop)
        })
        .await;
    }

    /// How often each event was stored, as `revision status`.
    pub(crate) async fn said(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (event, _) in self.events().await {
            *counts
                .entry(format!("{} {}", event.revision, event.status))
                .or_default() += 1;
        }
        counts
    }

    pub(crate) async fn events(&self) -> Vec<(ReleaseEvent, Stored)> {
        let stored = self.bus.read_all(RELEASES, "release.>", 0, false).await.unwrap();
        let read = |stored: Stored| (decode(&stored.subject, &stored.payload).unwrap(), stored);
        stored.into_iter().map(read).collect()
    }

    /// Waits until an event is there.
    pub(crate) async fn event(&self, revision: u32, status: &str) -> ReleaseEvent {
        self.until(&format!("{revision} {status}"), async || {
            let events = self.events().await;
            let mut found = events.into_iter().map(|(event, _)| event);
            found.find(|event| event.revision == revision && event.status.as_str() == status)
        })
        .await
    }

    /// A planner tells of an attempt that deploys `demo`; `more` is merged in.
    pub(crate) async fn tell(&self, stage: &str, more: Value) -> DeployReport {
        let mut report = json!({
            "version": 1, "run": {"kind": "PipelineRun", "namespace": "ci", "name": "r", "uid": "u"}, "task": "deploy",
            "attempt": 0, "taskRun": {"name": "r-deploy", "uid": "t"}, "stage": stage,
            "release": {"namespace": "ops", "name": "demo"}, "startedAt": self.bus.now().to_string(),
            "image": "helm:3", "serviceAccountName": "bot", "class": "kubernetes",
            "podTemplate": {"imagePullSecrets": [{"name": "harbor"}]},
        });
        for (key, value) in more.as_object().unwrap() {
            report[key] = value.clone();
        }
        let report: DeployReport = serde_json::from_value(report).unwrap();
        let subject = subject::deploy(&report.key(), report.stage);
        let message = Message::new(subject.clone(), encode(&subject, &report).unwrap()).expecting(0);
        self.bus.publish(message).await.unwrap();
        report
    }

    /// The attempt that began `seconds` ago is over and its run waits.
    pub(crate) async fn ended(&self, seconds: i64, end: &str, more: Value) -> DeployReport {
        let now = self.bus.now();
        let mut whole = json!({
            "startedAt": (now - SignedDuration::from_secs(seconds)).to_string(), "endedAt": now.to_string(), "end": end,
            "answerBy": (now + SignedDuration::from_secs(30)).to_string(),
        });
        for (key, value) in more.as_object().unwrap() {
            whole[key] = value.clone();
        }
        self.tell("ended", whole).await
    }

    /// Waits for the answer to a planner.
    pub(crate) async fn answer(&self, report: &DeployReport, what: &str) -> ReleaseReport {
        let subject = subject::attempt_fact(&report.key(), what);
        let stored = self
            .until(what, async || self.bus.last(FACTS, &subject).await.unwrap())
            .await;
        let fact: Fact = decode(&subject, &stored.payload).unwrap();
        match fact.body {
            FactBody::ReleaseObserved { report, .. } => report,
            other => panic!("{other:?}"),
        }
    }

    /// All answers to a planner.
    pub(crate) async fn answered(&self, report: &DeployReport) -> Vec<Stored> {
        let filter = format!("{}.>", subject::attempt_fact(&report.key(), "release"));
        self.bus.read_all(FACTS, &filter, 0, false).await.unwrap()
    }

    pub(crate) async fn pause(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.bus.now()
    }

    pub(crate) async fn until<T>(&self, what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
        let look = async {
            loop {
                if let Some(found) = condition().await {
                    return found;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        match tokio::time::timeout(PATIENCE, look).await {
            Ok(found) => found,
            Err(_) => panic!("waited in vain for {what}; said: {:?}", self.said().await),
        }
    }
}
