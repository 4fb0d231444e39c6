//! A backend that plays nothing: it remembers what it was asked and does what the test says.

mod hand;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tidemill_messages::report::{ContainerEnd, Report, ReportBody};
use tidemill_messages::{AttemptKey, AttemptOutcome, CancelReason, Ending};
use tidemill_resources::task_run::TerminationReason;
use tidemill_runner::backend::{Error, Event};
use tokio::sync::{mpsc, watch};

/// The longest a test waits for anything, by the paused clock.
const PATIENCE: Duration = Duration::from_secs(900);

/// What the attempts of a task do once they are let go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Script {
    /// Report a step and end well.
    Finish,
    /// Run until the test says something.
    Hold,
    /// The sandbox cannot be made so many times; then as `Finish`.
    NoSandbox(u32),
    /// The task itself is refused.
    Refuse,
    /// It vanishes before a step started so many times; then as `Finish`.
    Vanish(u32),
    /// A step starts, then all is gone.
    Lose,
}

/// A place in which attempts are played; runners that share it can adopt from each other.
#[derive(Clone)]
pub(crate) struct Place(Arc<watch::Sender<State>>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) sandboxes: BTreeMap<AttemptKey, Sandbox>,
    pub(crate) prepared: Vec<AttemptKey>,
    pub(crate) started: Vec<AttemptKey>,
    pub(crate) killed: Vec<(AttemptKey, CancelReason)>,
    pub(crate) released: Vec<AttemptKey>,
    pub(crate) adopted: Vec<AttemptKey>,
    pub(crate) removed: Vec<AttemptKey>,
    pub(crate) discarded: Vec<AttemptKey>,
    pub(crate) kept: Vec<AttemptKey>,
    scripts: BTreeMap<String, Script>,
}

#[derive(Default)]
pub(crate) struct Sandbox {
    pub(crate) is_started: bool,
    /// All its processes died with the machine, or by the test's hand.
    pub(crate) is_gone: bool,
    pub(crate) stored: u64,
    outcome: Option<AttemptOutcome>,
    events: Option<mpsc::Sender<Event>>,
    unstored: VecDeque<Report>,
    last_report: u64,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(State::default())))
    }

    pub(crate) fn script(&self, task: &str, script: Script) {
        self.change(|state| state.scripts.insert(task.to_owned(), script));
    }

    /// Waits until `condition` holds.
    pub(crate) async fn until(&self, condition: impl Fn(&State) -> bool) {
        let mut states = self.0.subscribe();
        let waited = tokio::time::timeout(PATIENCE, states.wait_for(condition)).await;
        assert!(waited.is_ok(), "what the test waits for did not happen");
    }

    pub(crate) fn look<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.0.borrow())
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut result = None;
        self.0.send_modify(|state| result = Some(change(state)));
        result.unwrap()
    }

    /// The attempt reports something.
    pub(crate) async fn say(&self, key: &AttemptKey, body: ReportBody) {
        let (report, events) = self.change(|state| {
            let sandbox = state.sandboxes.get_mut(key).unwrap();
            sandbox.last_report += 1;
            let report = Report {
                attempt: key.clone(),
                sequence: sandbox.last_report,
                at: "2026-11-23T12:00:00Z".parse().unwrap(),
                body,
            };
            sandbox.unstored.push_back(report.clone());
            (report, sandbox.events.clone())
        });
        send(events, Event::Report(report)).await;
    }

    /// The attempt ends with `outcome`.
    pub(crate) async fn end(&self, key: &AttemptKey, outcome: AttemptOutcome) {
        let events = self.change(|state| {
            let sandbox = state.sandboxes.get_mut(key).unwrap();
            sandbox.outcome = Some(outcome.clone());
            sandbox.events.clone()
        });
        send(events, Event::Finished(Box::new(outcome))).await;
    }

    /// Everything of the attempt dies without a word.
    pub(crate) async fn lose(&self, key: &AttemptKey) {
        let (step_started, events) = self.change(|state| {
            let sandbox = state.sandboxes.get_mut(key).unwrap();
            sandbox.is_gone = true;
            (sandbox.last_report > 0, sandbox.events.clone())
        });
        let message = "the node is gone".to_owned();
        send(events, Event::Gone { step_started, message }).await;
    }

    fn make(&self, key: &AttemptKey, events: mpsc::Sender<Event>) -> Result<(), Error> {
        self.change(|state| {
            state.prepared.push(key.clone());
            let script = state.scripts.entry(key.task.clone()).or_insert(Script::Finish);
            match script {
                Script::NoSandbox(left) if *left > 0 => {
                    *left -= 1;
                    return Err(place_error("make the sandbox"));
                }
                Script::Refuse => {
                    return Err(Error::Task {
                        reason: "CreateContainerConfigError".to_owned(),
                        message: "Secret `keys` is missing".to_owned(),
                    });
                }
                _ => {}
            }
            if state.sandboxes.contains_key(key) {
                return Err(place_error("make a second sandbox"));
            }
            let sandbox = Sandbox {
                events: Some(events),
                ..Sandbox::default()
            };
            state.sandboxes.insert(key.clone(), sandbox);
            Ok(())
        })
    }

    /// Lets it go; what it does by itself it does in a task of its own, as processes do.
    fn let_run(&self, key: &AttemptKey) {
        let script = self.change(|state| {
            state.started.push(key.clone());
            state.sandboxes.get_mut(key).unwrap().is_started = true;
            let script = state.scripts.get_mut(&key.task).unwrap();
            let now = *script;
            if let Script::Vanish(left) = script {
                *left = left.saturating_sub(1);
            }
            now
        });
        let (place, key) = (self.clone(), key.clone());
        tokio::spawn(async move {
            match script {
                Script::Hold => {}
                Script::Vanish(left) if left > 0 => place.lose(&key).await,
                Script::Lose => {
                    place.say(&key, started()).await;
                    place.lose(&key).await;
                }
                _ => {
                    place.say(&key, started()).await;
                    place.say(&key, finished()).await;
                    place.end(&key, outcome(Ending::Succeeded)).await;
                }
            }
        });
    }
}

/// A runner that is gone reads nothing.
async fn send(events: Option<mpsc::Sender<Event>>, event: Event) {
    if let Some(events) = events {
        drop(events.send(event).await);
    }
}

fn place_error(action: &str) -> Error {
    Error::Place {
        action: action.to_owned(),
        source: "no space left".into(),
    }
}

pub(crate) fn started() -> ReportBody {
    let container = "step-work".to_owned();
    ReportBody::ContainerStarted { container }
}

pub(crate) fn finished() -> ReportBody {
    let end = ContainerEnd {
        started_at: None,
        exit_code: 0,
        reason: TerminationReason::Completed,
        message: String::new(),
        results: Vec::new(),
        out_of_memory: false,
    };
    let container = "step-work".to_owned();
    ReportBody::ContainerFinished { container, end }
}

pub(crate) fn outcome(ending: Ending) -> AttemptOutcome {
    AttemptOutcome {
        ending,
        pod_name: "pod".to_owned(),
        started_at: None,
        completed_at: "2026-11-23T12:00:01Z".parse().unwrap(),
        steps: Vec::new(),
        step_times_us: Vec::new(),
        sidecars: Vec::new(),
        results: Vec::new(),
    }
}
