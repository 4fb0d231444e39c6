//! The whole service: a task on the bus becomes processes, facts and logs.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tidemill_bus::{Bus, Memory, Message, layout};
use tidemill_messages::{
    AttemptKey, AttemptOutcome, CancelReason, CancelTask, Ending, Fact, FactBody, StartTask, decode, encode, stream,
    subject,
};
use tidemill_objects::Objects;
use tidemill_runner::backend::process;
use tidemill_runner::{Error, Settings};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::kit::step_binary;
use crate::owners::wait_until;

const PATIENCE: Duration = Duration::from_secs(60);
const GATED: &str = "touch gate; echo begun; while test -e gate; do sleep 0.02; done; echo went on";

struct World {
    bus: Bus,
    objects: Objects,
    state: TempDir,
}

impl World {
    async fn new() -> Self {
        let bus = Memory::default().connect();
        layout::ensure(&bus, &layout::Limits::default()).await.unwrap();
        let decision = Message::new(subject::decision("run-1"), "{}");
        bus.publish(decision).await.unwrap();
        let objects = Objects::start(bus.clone(), tidemill_objects::Options::default())
            .await
            .unwrap();
        Self {
            bus,
            objects,
            state: TempDir::with_prefix("tidemill-service-").unwrap(),
        }
    }

    fn service(&self) -> JoinHandle<Result<(), Error>> {
        let settings = Settings {
            id: "only".to_owned(),
            state_dir: self.state.path().to_owned(),
            process: process::Settings {
                step_binary: Some(step_binary()),
                ..process::Settings::default()
            },
            ..Settings::default()
        };
        let stop = CancellationToken::new();
        tokio::spawn(tidemill_runner::run(
            settings,
            self.bus.clone(),
            self.objects.clone(),
            stop,
        ))
    }

    async fn dispatch(&self, spec: Value) -> AttemptKey {
        let command: StartTask = serde_json::from_value(json!({
            "version": 1, "task": "build", "attempt": 0, "spec": spec,
            "run": {"kind": "PipelineRun", "namespace": "default", "name": "release", "uid": "run-1"},
            "taskRun": {"name": "release-build", "uid": "task-run-uid"},
        }))
        .unwrap();
        let subject = subject::task(&command.key(), "process", 5);
        let payload = encode(&subject, &command).unwrap();
        self.bus
            .publish(Message::new(subject, payload).expecting(0))
            .await
            .unwrap();
        command.key()
    }

    async fn finished(&self, key: &AttemptKey) -> AttemptOutcome {
        let filter = subject::attempt_fact(key, "finished");
        let mut facts = self.bus.reader(stream::FACTS, &filter, 0, false).await.unwrap();
        let stored = timeout(PATIENCE, facts.next())
            .await
            .expect("finished in time")
            .unwrap();
        match decode::<Fact>(&stored.subject, &stored.payload).unwrap().body {
            FactBody::AttemptFinished { outcome, .. } => outcome,
            other => panic!("{other:?}"),
        }
    }

    async fn log(&self, key: &AttemptKey, container: &str) -> String {
        let filter = subject::log(key, container);
        let stored = self.bus.read_all(stream::LOGS, &filter, 0, false).await.unwrap();
        stored
            .iter()
            .map(|stored| String::from_utf8_lossy(&stored.payload))
            .collect()
    }

    /// Waits until a step has written `text`.
    async fn until_log(&self, key: &AttemptKey, container: &str, text: &str) {
        let filter = subject::log(key, container);
        let mut logs = self.bus.reader(stream::LOGS, &filter, 0, false).await.unwrap();
        let mut seen = String::new();
        while !seen.contains(text) {
            let stored = timeout(PATIENCE, logs.next()).await.expect("output in time").unwrap();
            seen.push_str(&String::from_utf8_lossy(&stored.payload));
        }
    }

    fn attempts(&self) -> Vec<std::path::PathBuf> {
        let attempts = std::fs::read_dir(self.state.path().join("attempts")).unwrap();
        attempts.flatten().map(|entry| entry.path()).collect()
    }

    async fn until_removed(&self) {
        wait_until(|| self.attempts().is_empty()).await;
    }
}

fn gated() -> Value {
    json!({"steps": [{"name": "wait", "image": "registry.example/a", "script": GATED}]})
}

fn open_gate(attempt: &Path) {
    std::fs::remove_file(attempt.join("workspace/gate")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_steps_become_an_outcome_and_their_logs() {
    let world = World::new().await;
    let service = world.service();
    let key = world
        .dispatch(json!({
            "results": [{"name": "files", "type": "array"}],
            "steps": [
                {"name": "make", "image": "registry.example/a",
                 "script": "echo made; printf '[\"a\",\"b\"]' > /tekton/results/files"},
                {"name": "use", "image": "registry.example/a", "command": ["sh", "-c", "cat /tekton/results/files"]},
            ],
        }))
        .await;
    let outcome = world.finished(&key).await;
    assert_eq!(outcome.ending, Ending::Succeeded);
    assert_eq!(outcome.pod_name, "release-build-pod");
    assert_eq!(
        serde_json::to_value(&outcome.results).unwrap(),
        json!([{"name": "files", "type": "array", "value": ["a", "b"]}])
    );
    let codes: Vec<i32> = outcome
        .steps
        .iter()
        .map(|step| step.terminated.as_ref().unwrap().exit_code)
        .collect();
    assert_eq!(codes, [0, 0]);
    world.until_removed().await;
    assert_eq!(world.log(&key, "step-make").await, "made\n");
    assert_eq!(world.log(&key, "step-use").await, "[\"a\",\"b\"]");
    service.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_died_goes_on_where_it_was() {
    let world = World::new().await;
    let service = world.service();
    let key = world.dispatch(gated()).await;
    world.until_log(&key, "step-wait", "begun").await;
    service.abort();
    assert!(service.await.unwrap_err().is_cancelled());
    let again = world.service();
    open_gate(&world.attempts()[0]);
    let outcome = world.finished(&key).await;
    assert_eq!(outcome.ending, Ending::Succeeded);
    world.until_removed().await;
    assert_eq!(world.log(&key, "step-wait").await, "begun\nwent on\n");
    again.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_command_ends_the_processes() {
    let world = World::new().await;
    let service = world.service();
    let key = world.dispatch(gated()).await;
    world.until_log(&key, "step-wait", "begun").await;
    let subject = subject::cancel(&key);
    let command = CancelTask {
        version: 1,
        reason: CancelReason::TimedOut,
        at: world.bus.now(),
    };
    let payload = encode(&subject, &command).unwrap();
    world.bus.publish(Message::new(subject, payload)).await.unwrap();
    assert_eq!(world.finished(&key).await.ending, Ending::TimedOut);
    world.until_removed().await;
    service.abort();
}
