//! A runner that only pretends: it claims, counts, and says how the attempt ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tidemill_bus::{Bus, ConsumerSpec, Delivery, Error, Message, blob};
use tidemill_messages::claim::Claim;
use tidemill_messages::envelope::{RUN_OVER, VERSION};
use tidemill_messages::fact::{Fact, FactBody};
use tidemill_messages::outcome::{AttemptOutcome, Ending};
use tidemill_messages::stream::{CLAIMS, RUNS};
use tidemill_messages::{AttemptKey, StartTask, decode, encode, subject};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What the runner does with tasks, by the task's key.
#[derive(Default)]
pub(crate) struct Script {
    plays: BTreeMap<String, Play>,
}

/// What it does with one.
#[derive(Clone)]
pub(crate) enum Play {
    /// Succeeds after this long.
    After(Duration),
    /// Fails.
    Fail,
    /// Runs until it is cancelled.
    Hold,
    /// Claims it and is never heard of again.
    Die,
    /// Says that it succeeded and dies before that is stored.
    Say,
    /// Succeeds with a result of so many bytes.
    Result(usize),
}

/// Handle of the runner.
pub(crate) struct Fake {
    inner: Arc<Inner>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Inner {
    bus: Bus,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    script: Script,
    executed: BTreeMap<String, u32>,
    running: BTreeSet<AttemptKey>,
    is_silent: bool,
    refused: u32,
}

impl Fake {
    /// Starts it.
    pub(crate) async fn start(bus: Bus, script: Script) -> Self {
        let inner = Arc::new(Inner {
            bus,
            state: Mutex::new(State {
                script,
                ..State::default()
            }),
            changed: Notify::new(),
        });
        let fake = Self {
            inner,
            task: Mutex::default(),
        };
        fake.resume();
        fake
    }

    /// What to do with a task from now on.
    pub(crate) fn play(&self, task: &str, play: Play) {
        self.inner.lock().script.plays.insert(task.to_owned(), play);
    }

    /// How often each attempt was executed, as `task/attempt`.
    pub(crate) fn executed(&self) -> BTreeMap<String, u32> {
        self.inner.lock().executed.clone()
    }

    /// How often it refused because the run was over or gone.
    pub(crate) fn refused(&self) -> u32 {
        self.inner.lock().refused
    }

    /// From now on it says no more how an attempt ended before that is stored.
    pub(crate) fn keep_silent(&self) {
        self.inner.lock().is_silent = true;
    }

    /// Forgets what it has executed, for the next run with the same tasks.
    pub(crate) fn forget(&self) {
        self.inner.lock().executed.clear();
    }

    /// Takes no tasks and lets go of those it has.
    pub(crate) fn stop(&self) {
        if let Some(task) = self.slot().take() {
            task.abort();
            self.inner.lock().running.clear();
        }
    }

    /// Takes tasks (again).
    pub(crate) fn resume(&self) {
        let inner = self.inner.clone();
        self.slot().get_or_insert_with(|| tokio::spawn(inner.work()));
    }

    fn slot(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    async fn work(self: Arc<Self>) {
        let spec = ConsumerSpec {
            stream: RUNS.to_owned(),
            name: "class-process".to_owned(),
            filters: vec![subject::tasks_of_class("process")],
            ack_wait: Duration::from_secs(30),
            max_ack_pending: 1024,
            pinned: None,
            from_start: true,
        };
        let mut consumer = self.again(|| self.bus.consumer(&spec)).await;
        let mut tasks = tokio::task::JoinSet::new();
        loop {
            let batch = consumer.next_batch(256).await.expect("the consumer is there");
            for delivery in batch {
                let inner = self.clone();
                tasks.spawn(async move { inner.take(delivery).await });
            }
        }
    }

    async fn take(&self, delivery: Delivery) {
        let payload = self.again(|| blob_payload(&self.bus, &delivery)).await;
        let start: StartTask = decode(&delivery.message.subject, &payload).expect("a task");
        let key = start.key();
        if !self.lock().running.insert(key.clone()) {
            return;
        }
        if self.claim(&key, &delivery).await && self.may_start(&key).await {
            self.execute(&key).await;
        }
        delivery.ack().await;
        self.lock().running.remove(&key);
    }

    /// `true`: the claim is ours (also when it was before).
    async fn claim(&self, key: &AttemptKey, delivery: &Delivery) -> bool {
        let claim = Claim {
            version: VERSION,
            runner: "fake".to_owned(),
            incarnation: "one".to_owned(),
            class: "process".to_owned(),
            command_sequence: delivery.message.sequence,
            command_subject: String::new(),
            boot_id: String::new(),
        };
        let subject = subject::claim(key);
        let message = Message::new(subject.clone(), encode(&subject, &claim).expect("a claim")).expecting(0);
        if self.put(message).await {
            return true;
        }
        let stored = self.again(|| self.bus.last(CLAIMS, &subject)).await;
        stored.is_some_and(|stored| decode::<Claim>(&subject, &stored.payload).expect("a claim").runner == "fake")
    }

    /// The last fence (P2): a leader read of the run's last decision.
    async fn may_start(&self, key: &AttemptKey) -> bool {
        let subject = subject::decision(&key.run_uid);
        let last = self.again(|| self.bus.last(RUNS, &subject)).await;
        let may = last.is_some_and(|last| last.header(RUN_OVER).is_none());
        if !may {
            // The run's claims are purged already: leave none behind.
            let claim = subject::claim(key);
            self.again(|| self.bus.purge(CLAIMS, &claim, None)).await;
            self.lock().refused += 1;
        }
        may
    }

    async fn execute(&self, key: &AttemptKey) {
        let finished = subject::attempt_fact(key, "finished");
        let known = self.again(|| self.bus.last("facts", &finished)).await;
        if known.is_some() {
            return;
        }
        let name = format!("{}/{}", key.task, key.attempt);
        let play = {
            let mut state = self.lock();
            *state.executed.entry(name).or_default() += 1;
            state.script.plays.get(&key.task).cloned()
        };
        self.changed.notify_waiters();
        let started = self.bus.now();
        let is_stored = !matches!(play, Some(Play::Say));
        let (ending, result) = match play {
            None | Some(Play::Say) => (Ending::Succeeded, 0),
            Some(Play::After(pause)) => {
                tokio::time::sleep(pause).await;
                (Ending::Succeeded, 0)
            }
            Some(Play::Fail) => (failed(), 0),
            Some(Play::Hold) => (self.cancelled(key).await, 0),
            Some(Play::Die) => std::future::pending().await,
            Some(Play::Result(bytes)) => (Ending::Succeeded, bytes),
        };
        let fact = self.finished(key, started, ending, result).await;
        if !self.lock().is_silent {
            let hint = Message::new(subject::ending_hint(&key.run_uid), fact.payload.clone());
            drop(self.bus.notify(hint).await);
            // As long as a write takes that is synced.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if is_stored {
            self.put(fact).await;
        }
    }

    async fn cancelled(&self, key: &AttemptKey) -> Ending {
        let subject = subject::cancel(key);
        let mut reader = self.again(|| self.bus.reader(RUNS, &subject, 0, false)).await;
        let command = reader.next().await.expect("the stream is there");
        let command: tidemill_messages::CancelTask = decode(&subject, &command.payload).expect("a command");
        match command.reason {
            tidemill_messages::CancelReason::Cancelled => Ending::Cancelled,
            tidemill_messages::CancelReason::TimedOut => Ending::TimedOut,
        }
    }

    async fn finished(&self, key: &AttemptKey, started: Timestamp, ending: Ending, result: usize) -> Message {
        let mut outcome = json!({
            "ending": ending,
            "startedAt": started,
            "completedAt": self.bus.now(),
            "podName": "pretended",
        });
        if result > 0 {
            outcome["results"] = json!([{"name": "big", "type": "string", "value": "x".repeat(result)}]);
        }
        let outcome: AttemptOutcome = serde_json::from_value(outcome).expect("an outcome");
        let subject = subject::attempt_fact(key, "finished");
        let fact = Fact {
            version: VERSION,
            at: self.bus.now(),
            body: FactBody::AttemptFinished {
                task: key.task.clone(),
                attempt: key.attempt,
                outcome,
            },
        };
        let message = Message::new(subject.clone(), encode(&subject, &fact).expect("a fact")).expecting(0);
        self.again(|| async { blob::attach(&self.bus, message.clone()).await.map_err(unwrap_bus) })
            .await
    }

    /// Publishes until it is stored, or something else is.
    async fn put(&self, message: Message) -> bool {
        loop {
            match self.bus.publish(message.clone()).await {
                Ok(_) => return true,
                Err(error) if error.is_conflict() => return false,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn again<T, F: Future<Output = Result<T, Error>>>(&self, call: impl Fn() -> F) -> T {
        loop {
            match call().await {
                Ok(outcome) => return outcome,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn blob_payload(bus: &Bus, delivery: &Delivery) -> Result<bytes::Bytes, Error> {
    blob::payload(bus, &delivery.message).await.map_err(unwrap_bus)
}

fn unwrap_bus(error: blob::Error) -> Error {
    match error {
        blob::Error::Bus { source, .. } => source,
        other => panic!("{other}"),
    }
}

fn failed() -> Ending {
    Ending::Failed {
        reason: "Failed".to_owned(),
        message: "it was told to".to_owned(),
    }
}
