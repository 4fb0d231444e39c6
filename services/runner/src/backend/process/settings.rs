//! Settings of the process backend.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Variables of the host that steps get; a trailing `*` stands for any ending.
pub const ENVIRONMENT: [&str; 33] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TERM",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "GOPATH",
    "GOCACHE",
    "GOMODCACHE",
    "GOPROXY",
    "GOFLAGS",
    "GOROOT",
    "JAVA_HOME",
];

/// Usual places of credentials. `~` is the home of the runner's user and, for root, every home in
/// `/home` as well; a trailing `*` stands for any ending of the last name; `$UID` is the user's id.
pub const HIDDEN: [&str; 26] = [
    "~/.ssh",
    "~/.gnupg",
    "~/.aws",
    "~/.azure",
    "~/.config/gcloud",
    "~/.config/gh",
    "~/.config/glab-cli",
    "~/.config/hub",
    "~/.config/tidemill",
    "~/.config/containers",
    "~/.docker",
    "~/.kube",
    "~/.netrc",
    "~/.git-credentials",
    "~/.config/git/credentials",
    "~/.npmrc",
    "~/.yarnrc.yml",
    "~/.pypirc",
    "~/.cargo/credentials*",
    "~/.gem/credentials",
    "~/.m2/settings*",
    "~/.terraform.d",
    "~/.vault-token",
    "~/.local/share/keyrings",
    "/run/user/$UID",
    "/run/secrets",
];

/// Settings of the process backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// The `tidemill-step` binary; by default beside the running binary, else on `PATH`.
    pub step_binary: Option<PathBuf>,
    /// Variables of the host that steps get: [`ENVIRONMENT`].
    pub environment: Vec<String>,
    /// What steps do not see of the host, beside the state directory: [`HIDDEN`].
    pub hidden: Vec<String>,
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
    /// Supervisors that wait for their attempts: 2. Each takes about half a MiB of memory.
    pub warm: usize,
    /// Time a sandbox may take to build, in milliseconds: 30,000.
    pub prepare_limit_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            step_binary: None,
            environment: ENVIRONMENT.map(str::to_owned).into(),
            hidden: HIDDEN.map(str::to_owned).into(),
            log_bytes: 64 << 20,
            result_bytes: 1 << 20,
            results_bytes: 8 << 20,
            kill_grace_ms: 0,
            orphan_s: 3600,
            warm: 2,
            prepare_limit_ms: 30_000,
        }
    }
}
