//! What the supervisor of a played pod is told, and what it says: the process backend's side of a
//! pod, with everything outside the machine (Secrets, ConfigMaps, claims) already looked up.
//!
//! It travels over a socket and never lies on disk, since it holds the values of Secrets.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tidemill_resources::pipeline::WhenExpression;

use crate::identity::AttemptKey;
use crate::report::{Answer, Report};

mod content;

pub use content::Content;

/// File of an attempt's directory that holds its [`Name`].
pub const NAME: &str = "attempt.json";
/// End of the name of the socket in an attempt's directory at which its supervisor takes new owners; see
/// [`Name::socket`].
pub const SOCKET_SUFFIX: &str = ".socket";
/// Socket in `/tekton` at which the containers of an attempt come in, where each is one of an engine.
pub const ROOMS: &str = "rooms";
/// Exit code of a supervisor in a container that was left before anything had started. Nobody else can have
/// made it: the user's code had not run.
pub const UNSTARTED: u8 = 76;
/// File of an attempt's directory with what a supervisor said that failed.
pub const LAST_WORDS: &str = "log";

/// Variable of a supervisor: a JSON list of what most likely no container of its next attempts sees. It is covered before
/// they are known.
pub const HIDDEN: &str = "TIDEMILL_STEP_HIDDEN";

/// Name of the socket in an attempt's directory, where none was made before the attempt was known. It is of this attempt:
/// who comes late finds none, though the directory has become that of another attempt.
pub fn socket_in(directory: &Path) -> String {
    let name = directory.file_name().unwrap_or_default();
    format!("{}{SOCKET_SUFFIX}", name.to_string_lossy())
}

/// Whose directory it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Name {
    /// The attempt.
    pub attempt: AttemptKey,
    /// Its supervisor.
    pub supervisor: ProcessIdentity,
    /// The socket that the supervisor made before it had the attempt; else it is named by [`socket_in`]. It is of no
    /// other attempt either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
}

impl Name {
    /// Name of the socket in this attempt's `directory` at which its supervisor takes new owners. Of processes it is there
    /// as long as a step may have started: a supervisor that ends before takes it away.
    pub fn socket(&self, directory: &Path) -> String {
        self.socket.clone().unwrap_or_else(|| socket_in(directory))
    }
}

/// What a runner tells a supervisor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// Build this, start nothing. Only to a supervisor that is [`Word::Free`].
    Prepare(Box<Sandbox>),
    /// An answer or a command.
    Answer(Answer),
}

/// What a supervisor tells its runner.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Word {
    /// It has no attempt and waits for one.
    #[serde(rename_all = "camelCase")]
    Free {
        /// The supervisor.
        supervisor: ProcessIdentity,
        /// The socket it has made for its next attempt in the directory of its last one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        socket: Option<String>,
    },
    /// The sandbox stands; also the first word to each new owner.
    #[serde(rename_all = "camelCase")]
    Ready {
        /// The first step may have started.
        started: bool,
    },
    /// The sandbox cannot be built; the supervisor ends.
    #[serde(rename_all = "camelCase")]
    Refused {
        /// The task asks for what cannot be; else the place is at fault.
        by_task: bool,
        /// What, where, expected.
        message: String,
    },
    /// A step's turn comes or is near, and its container has not come in: it is to be started. Said again
    /// to each new owner. Only where each container is one of an engine.
    #[serde(rename_all = "camelCase")]
    Wanted {
        /// `step-<name>`.
        container: String,
    },
    /// A report.
    Report(Box<Report>),
}

/// A process, proof against reuse of its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessIdentity {
    /// Its number, as the host sees it.
    pub pid: i32,
    /// When it was started, in the kernel's ticks since boot.
    pub start_ticks: u64,
    /// The boot those ticks count from.
    pub boot_id: String,
}

/// Everything to play one attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sandbox {
    /// Version of this payload.
    pub version: u64,
    /// The attempt.
    pub attempt: AttemptKey,
    /// Its directory, empty, of mode 0700.
    pub directory: PathBuf,
    /// The supervisor is in it: it was that of its last attempt, and may get its name only now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_entered: bool,
    /// Directories and files of the host no container sees; they need not exist.
    pub hidden: Vec<PathBuf>,
    /// Variables of the host that every container gets; its own win.
    pub environment: Vec<Variable>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The sidecars.
    pub sidecars: Vec<Sidecar>,
    /// The volumes that containers mount.
    pub volumes: Vec<Volume>,
    /// Results the task itself writes: those that are no step's.
    pub results: Vec<String>,
    /// Values of Secrets, masked in logs and results.
    pub masked: Vec<Content>,
    /// Group that may use the volumes, as `fsGroup` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_group: Option<u32>,
    /// Where each container is one of an engine: the secret by which each is known, steps first. Empty:
    /// all containers are the supervisor's own processes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<String>,
    /// Limits.
    pub limits: Limits,
}

/// Limits of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Text all its containers may write to the log together, in bytes.
    pub log_bytes: u64,
    /// Size of one result, in bytes.
    pub result_bytes: u64,
    /// Size of all its results, in bytes.
    pub results_bytes: u64,
    /// How long processes may go on after SIGTERM before SIGKILL, in milliseconds; 0 kills at once.
    pub kill_grace_ms: u64,
    /// How long it goes on without a runner, in seconds.
    pub orphan_s: u64,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// `step-<name>` or `sidecar-<name>`.
    pub name: String,
    /// What it runs.
    pub program: Program,
    /// Its variables; the last of a name wins.
    pub environment: Vec<Variable>,
    /// Absolute, or relative to `/workspace`; created where it is missing.
    pub working_directory: String,
    /// Its mounts.
    pub mounts: Vec<Mount>,
    /// User to run as; only root can choose.
    pub user: Option<u32>,
    /// Group to run as; only root can choose.
    pub group: Option<u32>,
}

/// What a container runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Program {
    /// A program and its arguments; at least one element.
    Command(Vec<String>),
    /// A script and its arguments.
    #[serde(rename_all = "camelCase")]
    Script {
        /// Byte for byte as the user wrote it.
        text: String,
        /// Arguments.
        args: Vec<String>,
    },
}

/// A step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its container.
    pub container: Container,
    /// `onError: continue`.
    pub continue_on_error: bool,
    /// Its time limit in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Its guards.
    pub when: Vec<WhenExpression>,
    /// Results it declares.
    pub results: Vec<String>,
    /// File in the container its output is copied to.
    pub stdout_path: Option<String>,
    /// File in the container its errors are copied to.
    pub stderr_path: Option<String>,
}

/// A sidecar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sidecar {
    /// Its container.
    pub container: Container,
    /// What must succeed before the first step starts, one after the other: the startup probe, the
    /// readiness probe.
    pub probes: Vec<Probe>,
}

/// A question asked until it is answered well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// What is asked.
    pub check: Check,
    /// Wait before the first question, in milliseconds.
    pub initial_delay_ms: u64,
    /// Longest wait between questions, in milliseconds.
    pub period_ms: u64,
    /// Longest wait for an answer, in milliseconds.
    pub timeout_ms: u64,
    /// Good answers in a row that are needed.
    pub successes: u32,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    /// A command in the container exits with 0.
    Command(Vec<String>),
    /// A port accepts connections.
    Tcp {
        /// Host, `127.0.0.1` when the pod names none.
        host: String,
        /// Port.
        port: u16,
    },
    /// A GET is answered with a status of 200 to 399.
    Http {
        /// Host.
        host: String,
        /// Port.
        port: u16,
        /// Path, with its leading `/`.
        path: String,
        /// Headers.
        headers: Vec<Variable>,
    },
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A volume in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Name of the volume.
    pub volume: String,
    /// Where it appears.
    pub path: String,
    /// Part of the volume that appears, created where it is missing; it may not lead out of the
    /// volume, neither by `..` nor by symbolic links.
    pub sub_path: String,
    /// It may not be written.
    pub read_only: bool,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Name.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
}

/// Where a volume comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A directory that lives as long as the attempt.
    Empty,
    /// The same, in memory.
    #[serde(rename_all = "camelCase")]
    Memory {
        /// Its size; the kernel's default without.
        limit_bytes: Option<u64>,
    },
    /// Files of a Secret, a ConfigMap or several of them; in memory, read only.
    Files(Vec<File>),
    /// A directory of the host as the backend sees it, created where it is missing.
    Directory(PathBuf),
    /// A path of the host as the containers see it: what is hidden stays so.
    HostPath(PathBuf),
    /// A volume of a container engine, mounted where the supervisor sees it at this path.
    Mounted(PathBuf),
}

/// A file of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// Relative path, without `..`.
    pub path: String,
    /// Content.
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
}
