//! A control plane of the test's own, Helm, and a store in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidemill_bus::layout::{self, Limits};
use tidemill_bus::{Bus, Memory, Message};
use tidemill_deployer::{Cluster, Error, Settings, run};
use tidemill_kit::ControlPlane;
use tidemill_messages::fact::{Fact, FactBody};
use tidemill_messages::stream::{FACTS, RELEASES};
use tidemill_messages::{DeployReport, ReleaseEvent, ReleaseReport, decode, encode, subject};
use tidemill_objects::{Key, Objects, Options, Part};
use tidemill_settings::Span;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const NAMESPACE: &str = "ops";
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(crate) struct World {
    bus: Bus,
    objects: Objects,
    helm: PathBuf,
    settings: Settings,
    control_plane: ControlPlane,
}

/// A deployer of this process.
pub(crate) struct Running(JoinHandle<Result<(), Error>>);

impl Running {
    /// Ends it as a crash would.
    pub(crate) async fn crash(self) {
        self.0.abort();
        drop(self.0.await);
    }
}

fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

impl World {
    /// `None`: this machine cannot have one.
    pub(crate) async fn new() -> Option<Self> {
        if !has("etcd") || !has("go") {
            return None;
        }
        if !tokio::task::spawn_blocking(ControlPlane::is_due)
            .await
            .unwrap()
            .unwrap()
        {
            return None;
        }
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/tools/helm");
        let output = Command::new(tool).stderr(Stdio::inherit()).output().await.unwrap();
        assert!(output.status.success(), "deploy/tools/helm");
        let helm = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
        let control_plane = tokio::task::spawn_blocking(ControlPlane::start).await.unwrap().unwrap();
        let bus = Memory::default().connect();
        layout::ensure(&bus, &Limits::default().fitting(1 << 30)).await.unwrap();
        let options = Options {
            own_namespaces: false,
            ..Options::default()
        };
        let objects = Objects::start(bus.clone(), options).await.unwrap();
        objects.ready().await.unwrap();
        let settings = Settings {
            kubeconfig: Some(control_plane.kubeconfig().to_owned()),
            namespaces: vec![NAMESPACE.to_owned()],
            verify_for: Span::millis(300),
            look_every: Span::millis(200),
            ..Settings::default()
        };
        Some(Self {
            bus,
            objects,
            helm,
            settings,
            control_plane,
        })
    }

    /// Starts one more deployer; it watches when this returns.
    pub(crate) async fn deployer(&self) -> Running {
        let cluster = Cluster::connect(&self.settings).await.unwrap();
        let (settings, bus, objects) = (self.settings.clone(), self.bus.clone(), self.objects.clone());
        let running = Running(tokio::spawn(run(
            settings,
            bus,
            objects,
            cluster,
            CancellationToken::new(),
        )));
        self.until("the namespace is watched", async || {
            self.bus.last(RELEASES, &subject::watching(NAMESPACE)).await.unwrap()
        })
        .await;
        running
    }

    /// Helm with a chart; what it wrote to standard error where it failed.
    pub(crate) async fn helm(
        &self,
        what: &[&str],
        chart: &crate::chart::Chart,
        more: &[&str],
    ) -> Result<String, String> {
        let path = chart.path().display().to_string();
        let arguments = [
            what,
            &[path.as_str(), "--create-namespace"][..if what[0] == "install" { 2 } else { 1 }],
            more,
        ];
        self.helm_alone(&arguments.concat()).await
    }

    pub(crate) async fn helm_alone(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.command(arguments).output().await.unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8(output.stderr).unwrap())
        }
    }

    /// Helm, and nobody waits for it.
    pub(crate) fn start(&self, what: &[&str], chart: &crate::chart::Chart, more: &[&str]) -> Child {
        let path = chart.path().display().to_string();
        let arguments = [what, &[path.as_str()], more].concat();
        self.command(&arguments).kill_on_drop(true).spawn().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.helm);
        command
            .args(arguments)
            .args(["--namespace", NAMESPACE])
            .env("KUBECONFIG", self.control_plane.kubeconfig())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Does what the runner of the deployer's TaskRun would: runs its script, says how it ended.
    pub(crate) async fn play(&self, name: &str) {
        let key = Key {
            group: "tekton.dev".to_owned(),
            resource: "taskruns".to_owned(),
            namespace: "ci".to_owned(),
            name: name.to_owned(),
        };
        let object = self.objects.get(&key).await.unwrap().expect("the TaskRun");
        let step = serde_json::to_value(&object).unwrap()["spec"]["taskSpec"]["steps"][0].clone();
        let folder = self.helm.parent().unwrap().display().to_string();
        let mut command = Command::new("sh");
        command
            .args(["-c", step["script"].as_str().unwrap()])
            .env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap()))
            .env("KUBECONFIG", self.control_plane.kubeconfig());
        for variable in step["env"].as_array().unwrap() {
            command.env(variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
        }
        let status = command.status().await.unwrap();
        let condition = json!({"type": "Succeeded", "status": if status.success() { "True" } else { "False" }});
        let patch = json!({"status": {"conditions": [condition]}});
        self.objects.merge_patch(&key, patch, Part::Status).await.unwrap();
    }

    /// An attempt that deploys is over, and its run waits.
    pub(crate) async fn ended(
        &self,
        release: &str,
        task: &str,
        started: Timestamp,
        end: &str,
        more: Value,
    ) -> DeployReport {
        let now = self.now();
        let mut report = json!({
            "version": 1, "run": {"kind": "PipelineRun", "namespace": "ci", "name": "r", "uid": "u"}, "task": task,
            "attempt": 0, "taskRun": {"name": format!("r-{task}"), "uid": "t"}, "stage": "ended",
            "release": {"namespace": NAMESPACE, "name": release}, "startedAt": started.to_string(),
            "endedAt": now.to_string(), "end": end, "image": "helm",
            "answerBy": (now + SignedDuration::from_secs(30)).to_string(),
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

    async fn events(&self, release: &str) -> Vec<ReleaseEvent> {
        let filter = format!("release.{NAMESPACE}.{release}.>");
        let stored = self.bus.read_all(RELEASES, &filter, 0, false).await.unwrap();
        let read = |stored: &tidemill_bus::Stored| decode(&stored.subject, &stored.payload).unwrap();
        stored.iter().map(read).collect()
    }

    /// How often each event was stored, as `revision status`.
    pub(crate) async fn said(&self, release: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for event in self.events(release).await {
            *counts
                .entry(format!("{} {}", event.revision, event.status))
                .or_default() += 1;
        }
        counts
    }

    pub(crate) async fn event(&self, release: &str, revision: u32, status: &str) -> ReleaseEvent {
        self.until(&format!("{release} {revision} {status}"), async || {
            let events = self.events(release).await;
            events
                .into_iter()
                .find(|event| event.revision == revision && event.status.as_str() == status)
        })
        .await
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.bus.now()
    }

    async fn until<T>(&self, what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
        let look = async {
            loop {
                if let Some(found) = condition().await {
                    return found;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, look)
            .await
            .unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }
}
