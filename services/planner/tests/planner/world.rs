//! One store, with planners, intake and a pretended runner around it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tidemill_bus::layout::{self, Limits};
use tidemill_bus::{Bus, Faults, Memory, Stored};
use tidemill_messages::stream::RUNS;
use tidemill_messages::subject;
use tidemill_objects::{Key, Objects, Options};
use tidemill_planner::{Error, Probe, Record, Settings, run_intake, run_probed};
use tidemill_resources::Object;
use tidemill_settings::Span;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fake::{Fake, Script};

/// How long anything may take before a test fails; the paused clock passes it at once.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);
/// How soon a condition is looked at again; slowly growing, so that waiting in vain ends soon.
const LOOK_AGAIN: std::ops::Range<Duration> = Duration::from_millis(20)..Duration::from_millis(500);

/// The store and what works on it.
pub(crate) struct World {
    pub(crate) bus: Bus,
    pub(crate) objects: Objects,
    pub(crate) memory: Option<Memory>,
    pub(crate) fake: Fake,
    pub(crate) settings: Settings,
    patience: Duration,
    _intake: DropGuard,
}

/// A planner of this process.
pub(crate) struct Planner {
    pub(crate) task: JoinHandle<Result<(), Error>>,
    shutdown: CancellationToken,
}

impl Planner {
    /// Ends it as a crash would.
    pub(crate) async fn crash(self) {
        self.task.abort();
        let ended = self.task.await;
        assert!(
            ended.is_err_and(|error| error.is_cancelled()),
            "the planner had ended by itself"
        );
    }

    /// Ends it in good order.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task
            .await
            .expect("the planner panicked")
            .expect("the planner failed");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.fake.stop();
    }
}

impl World {
    /// A store in memory.
    pub(crate) async fn new() -> Self {
        Self::with_faults(Faults::default()).await
    }

    /// A store in memory whose faults begin once the world stands.
    pub(crate) async fn with_faults(faults: Faults) -> Self {
        let memory = Memory::default();
        let mut world = Self::on(memory.connect(), PATIENCE).await;
        memory.set_faults(faults);
        world.memory = Some(memory);
        world
    }

    /// The same on any bus, with as much patience as its clock needs.
    pub(crate) async fn on(bus: Bus, patience: Duration) -> Self {
        layout::ensure(&bus, &Limits::default().fitting(1 << 30))
            .await
            .expect("streams");
        let options = Options {
            own_namespaces: false,
            ..Options::default()
        };
        let objects = Objects::start(bus.clone(), options).await.expect("objects");
        objects.ready().await.expect("index");
        let intake = CancellationToken::new();
        tokio::spawn(run_intake(bus.clone(), intake.clone()));
        let fake = Fake::start(bus.clone(), Script::default()).await;
        Self {
            bus,
            objects,
            memory: None,
            fake,
            settings: Settings::default(),
            patience,
            _intake: intake.drop_guard(),
        }
    }

    /// Without the sweep, which mends in a minute what a test wants to see done at once.
    pub(crate) fn without_sweep(mut self) -> Self {
        self.settings.sweep_every = Span::days(1);
        self
    }

    /// Starts one more planner.
    pub(crate) fn planner(&self) -> Planner {
        self.probed(Probe::default())
    }

    /// Starts one more planner that a probe ends.
    pub(crate) fn probed(&self, probe: Probe) -> Planner {
        let shutdown = CancellationToken::new();
        // A connection of its own, as another process would have it.
        let bus = self.memory.as_ref().map_or_else(|| self.bus.clone(), Memory::connect);
        let task = tokio::spawn(run_probed(
            self.settings.clone(),
            bus,
            self.objects.clone(),
            shutdown.clone(),
            probe,
        ));
        Planner { task, shutdown }
    }

    /// Creates an object.
    pub(crate) async fn create(&self, value: Value) -> Object {
        let object: Object = serde_json::from_value(value).expect("an object");
        self.objects.create(object).await.expect("created")
    }

    /// Creates a PipelineRun of this pipeline spec and gives its UID.
    pub(crate) async fn start(&self, name: &str, pipeline: Value) -> String {
        self.start_with(name, json!({ "pipelineSpec": pipeline })).await
    }

    /// Creates a PipelineRun of this spec and gives its UID.
    pub(crate) async fn start_with(&self, name: &str, spec: Value) -> String {
        let run = json!({
            "apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
            "metadata": {"name": name, "namespace": "mill"},
            "spec": spec,
        });
        self.create(run).await.metadata.uid.expect("a UID")
    }

    /// The PipelineRun as it is now.
    pub(crate) async fn run(&self, name: &str) -> Option<Object> {
        self.objects.get(&key("pipelineruns", name)).await.expect("objects")
    }

    /// The TaskRun as it is now.
    pub(crate) async fn task_run(&self, name: &str) -> Option<Object> {
        self.objects.get(&key("taskruns", name)).await.expect("objects")
    }

    /// Waits until the run's status says that it is over, and gives status and reason.
    pub(crate) async fn ended(&self, name: &str) -> (String, String) {
        self.until(&format!("{name} is over"), async || {
            let run = self.run(name).await?;
            let condition = run.rest.get("status")?.get("conditions")?.get(0)?;
            let text = |field: &str| {
                condition
                    .get(field)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            (text("status") != "Unknown").then(|| (text("status"), text("reason")))
        })
        .await
    }

    /// Waits until `condition` gives something.
    pub(crate) async fn until<T>(&self, what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + self.patience;
        let mut pause = LOOK_AGAIN.start;
        loop {
            if let Some(found) = condition().await {
                return found;
            }
            assert!(tokio::time::Instant::now() < deadline, "waited in vain until {what}");
            tokio::time::sleep(pause).await;
            pause = pause.mul_f64(1.02).min(LOOK_AGAIN.end);
        }
    }

    /// Waits until the runner has begun this attempt, `task/number`.
    pub(crate) async fn until_executed(&self, attempt: &str) {
        self.until(attempt, async || {
            self.fake.executed().contains_key(attempt).then_some(())
        })
        .await;
    }

    /// The records of a run, in order, with their messages.
    pub(crate) async fn records(&self, run_uid: &str) -> Vec<(Stored, Record)> {
        let subject = subject::decision(run_uid);
        let mut records = Vec::new();
        for stored in self.stored(RUNS, &subject).await {
            let payload = tidemill_bus::blob::payload(&self.bus, &stored).await.expect("payload");
            let record = tidemill_messages::decode(&stored.subject, &payload).expect("a record");
            records.push((stored, record));
        }
        records
    }

    /// Everything stored under a filter.
    pub(crate) async fn stored(&self, stream: &str, filter: &str) -> Vec<Stored> {
        let mut tries = 0;
        loop {
            match self.bus.read_all(stream, filter, 0, false).await {
                Ok(stored) => return stored,
                Err(error) => assert!(tries < 50, "{error}"),
            }
            tries += 1;
        }
    }

    /// The time by the store's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.bus.now()
    }
}

/// The key of an object of the tests.
pub(crate) fn key(resource: &str, name: &str) -> Key {
    Key {
        group: "tekton.dev".to_owned(),
        resource: resource.to_owned(),
        namespace: "mill".to_owned(),
        name: name.to_owned(),
    }
}

/// A pipeline task with one step that does nothing, run after others.
pub(crate) fn task(name: &str, after: &[&str]) -> Value {
    json!({
        "name": name,
        "runAfter": after,
        "taskSpec": {"steps": [{"name": "one", "image": "none", "script": "true"}]},
    })
}

/// A pipeline of tasks.
pub(crate) fn pipeline(tasks: Vec<Value>) -> Value {
    json!({ "tasks": tasks })
}

/// `first`, then `left` and `right`, then `last`.
pub(crate) fn diamond() -> Value {
    pipeline(vec![
        task("first", &[]),
        task("left", &["first"]),
        task("right", &["first"]),
        task("last", &["left", "right"]),
    ])
}
