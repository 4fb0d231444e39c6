//! Settings of the Docker backend.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of the Docker backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Where the engine listens: `unix://<path>`. Default: `DOCKER_HOST`, else
    /// `unix:///var/run/docker.sock`.
    pub host: String,
    /// The static `tidemill-step` binary; by default beside the running binary, else on `PATH`.
    pub step_binary: Option<PathBuf>,
    /// Network of the containers. Default `bridge`.
    pub network: String,
    /// Directory in memory for the files of Secrets and ConfigMaps, at the same path for the engine.
    /// Default: `/dev/shm/tidemill-<uid>`.
    pub memory_dir: Option<PathBuf>,
    /// What `hostPath` volumes may name: paths that begin with one of these. Default: none.
    pub host_path_prefixes: Vec<PathBuf>,
    /// Whether claims may stand for any directory of the host (annotation `tidemill.dev/host-path`, flag `-w`), or
    /// only for those that `hostPath` volumes may name. Default: true, for a server of one's own.
    pub host_path_claims: bool,
    /// Whether containers may be privileged. Default: true, since a nested Docker engine needs it.
    pub allow_privileged: bool,
    /// Where a pull fails of an image that need not be pulled by the pod's own word, the local image of that
    /// name serves. Default: true.
    pub local_when_pull_fails: bool,
    /// Text a task may write to its log, in bytes: 64 MiB. The rest is counted and left out.
    pub log_bytes: u64,
    /// Size of one result, in bytes: 1 MiB.
    pub result_bytes: u64,
    /// Size of all results of a task, in bytes: 8 MiB.
    pub results_bytes: u64,
    /// Time between SIGTERM and SIGKILL when a task is cancelled, in milliseconds: 0, killed at once.
    pub kill_grace_ms: u64,
    /// Time a task goes on without a runner, in seconds: 3600.
    pub orphan_s: u64,
    /// Time the containers of a task may take to stand, pulls apart, in milliseconds: 120,000.
    pub prepare_limit_ms: u64,
    /// Time an attempt that needs an engine that does not answer waits for it, in seconds: 60. Then its runner counts
    /// as lost.
    pub silence_limit_s: u64,
    /// Time a pull may take, in seconds: 1800.
    pub pull_limit_s: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: String::new(),
            step_binary: None,
            network: "bridge".to_owned(),
            memory_dir: None,
            host_path_prefixes: Vec::new(),
            host_path_claims: true,
            allow_privileged: true,
            local_when_pull_fails: true,
            log_bytes: 64 << 20,
            result_bytes: 1 << 20,
            results_bytes: 8 << 20,
            kill_grace_ms: 0,
            orphan_s: 3600,
            prepare_limit_ms: 120_000,
            silence_limit_s: 60,
            pull_limit_s: 1800,
        }
    }
}
