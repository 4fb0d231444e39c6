//! What a step (or the supervisor of a played pod) reports to the runner that owns its attempt, and
//! what the runner answers. One message type for Unix sockets and NATS requests.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use tidemill_resources::task_run::TerminationReason;

use crate::command::CancelReason;
use crate::identity::AttemptKey;

/// A report. Reports of an attempt are numbered from 1 without gaps; the runner answers
/// [`Answer::Stored`] with the highest number it has made durable, and the sender keeps all later
/// ones and sends them again to the next owner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The attempt, checked by the runner.
    pub attempt: AttemptKey,
    /// Number within the attempt, from 1.
    pub sequence: u64,
    /// When, by the container's clock.
    pub at: Timestamp,
    /// What.
    pub body: ReportBody,
}

/// What is reported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReportBody {
    /// A container's process was started.
    #[serde(rename_all = "camelCase")]
    ContainerStarted {
        /// `step-<name>` or `sidecar-<name>`.
        container: String,
    },
    /// A container's process ended (or was skipped).
    #[serde(rename_all = "camelCase")]
    ContainerFinished {
        /// `step-<name>` or `sidecar-<name>`.
        container: String,
        /// How.
        end: ContainerEnd,
    },
    /// Output of a container: at most [`MAX_LOG_CHUNK_BYTES`] of text; invalid UTF-8 is replaced.
    #[serde(rename_all = "camelCase")]
    Log {
        /// The container.
        container: String,
        /// The text, masked.
        text: String,
    },
    /// The attempt is over: everything ended, results collected. It says all that earlier reports
    /// said of the containers once more, for an owner who has not seen them.
    #[serde(rename_all = "camelCase")]
    Finished {
        /// Every container, steps first, in order.
        containers: Vec<ContainerReport>,
        /// Results of the task, verbatim; the runner gives them their types.
        results: Vec<WrittenResult>,
        /// Set when the attempt failed for a reason that is no step's exit code.
        failure: Option<Failure>,
        /// Set when [`Answer::Kill`] ended it.
        killed: Option<CancelReason>,
    },
}

/// A container and its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerReport {
    /// `step-<name>` or `sidecar-<name>`.
    pub container: String,
    /// How it ended.
    pub end: ContainerEnd,
    /// When.
    pub at: Timestamp,
}

/// Largest text of one log report.
pub const MAX_LOG_CHUNK_BYTES: usize = 64 * 1024;

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerEnd {
    /// When its process was started; `None` if it never was.
    pub started_at: Option<Timestamp>,
    /// Exit code; 128 + signal when a signal ended it; 1 when it was skipped after a failure,
    /// cancelled or over its time limit; 0 when its guard did not hold.
    pub exit_code: i32,
    /// Tekton's step termination reason.
    pub reason: TerminationReason,
    /// More for people: signal, limit, error of the start.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Results of the step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<WrittenResult>,
    /// The kernel ended it, or a process of it, for want of memory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_memory: bool,
}

/// A result file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WrittenResult {
    /// Name.
    pub name: String,
    /// Content, verbatim.
    pub value: String,
}

/// Why an attempt failed, when it is no step's exit code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// CamelCase, Tekton's where it has one.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// The runner's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// Every report up to this number is durable; they need not be sent again.
    Stored {
        /// The number.
        sequence: u64,
    },
    /// Let the first step go.
    Start,
    /// End now: kill, report what ended how.
    #[serde(rename_all = "camelCase")]
    Kill {
        /// Why.
        reason: CancelReason,
    },
    /// Everything is stored, or nothing was started: forget the attempt. A supervisor of a played pod is
    /// then free for another.
    Leave,
    /// The container a supervisor waits for cannot be started: its step fails.
    #[serde(rename_all = "camelCase")]
    Unplayable {
        /// `step-<name>`.
        container: String,
        /// For people: what, why.
        message: String,
    },
}
