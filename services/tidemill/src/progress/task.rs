//! One task: how far it is, how long it took, what to say beside it.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::graph::Node;
use crate::json;
use crate::output::plain;

/// Results shown beside a task that succeeded.
const SHOWN_RESULTS: usize = 3;
/// Characters of a result that are shown.
const SHOWN_RESULT_LENGTH: usize = 40;

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not started.
    Waiting,
    /// Under way.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Ended on demand.
    Cancelled,
    /// Never to be started.
    Skipped,
}

/// One task.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) name: String,
    pub(super) phase: Phase,
    pub(super) note: String,
    pub(super) node: Option<Node>,
    pub(super) attempt: usize,
    pub(super) seen_running: Option<Timestamp>,
    pub(super) started: Option<Timestamp>,
    pub(super) took: Option<SignedDuration>,
}

impl Phase {
    /// Whether nothing more will happen to the task.
    pub(crate) fn is_settled(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }

    /// One word for a log.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    /// The phase of a TaskRun.
    pub(crate) fn of(run: &Value) -> Self {
        match json::condition(run) {
            ("True", ..) => Self::Succeeded,
            ("False", "TaskRunCancelled" | "Cancelled", _) => Self::Cancelled,
            ("False", ..) => Self::Failed,
            ("Unknown", "Pending" | "TaskRunPending", _) => Self::Waiting,
            ("Unknown", ..) => Self::Running,
            _ => Self::Waiting,
        }
    }
}

impl Task {
    pub(super) fn new(name: &str, node: Option<Node>) -> Self {
        Self {
            name: name.to_owned(),
            phase: Phase::Waiting,
            note: String::new(),
            node,
            attempt: 0,
            seen_running: None,
            started: None,
            took: None,
        }
    }

    /// Time since the current attempt was seen to begin.
    pub(super) fn so_far(&self, now: Timestamp) -> Option<SignedDuration> {
        self.seen_running.map(|since| now.duration_since(since))
    }

    /// As observed, which is finer than the object's whole seconds, unless the beginning was missed.
    pub(super) fn duration(&self, run: &Value, at: Timestamp, began_just_now: bool) -> Option<SignedDuration> {
        let from_status = || Some(json::time(run, "/status/completionTime")?.duration_since(self.started?));
        let observed = self
            .seen_running
            .filter(|_| !began_just_now)
            .map(|since| at.duration_since(since));
        observed.or_else(from_status)
    }
}

pub(super) fn note(phase: Phase, run: &Value) -> String {
    let (_, reason, message) = json::condition(run);
    match phase {
        Phase::Succeeded => results(json::list(run, "/status/results")),
        Phase::Failed => {
            let failures = crate::describe::failures(std::slice::from_ref(run));
            match failures.first() {
                Some(failure) if failure.step.is_empty() => failure.what.clone(),
                Some(failure) => format!("{} {}", failure.step, failure.what),
                None => reason.to_owned(),
            }
        }
        _ => message.to_owned(),
    }
}

fn results(results: &[Value]) -> String {
    let shown = results.iter().take(SHOWN_RESULTS).map(|result| {
        let line = json::value_line(&result["value"]);
        // Many a result is written by `echo`.
        let value: String = line.trim_end_matches("\\n").chars().take(SHOWN_RESULT_LENGTH).collect();
        format!("{}={}", json::text(result, "/name"), plain(&value))
    });
    shown.collect::<Vec<_>>().join(" ")
}
