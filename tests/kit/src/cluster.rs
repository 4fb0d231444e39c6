//! Kubernetes for tests: an API without nodes of the test's own, or the machine's full cluster of one node.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::tool;

/// etcd, kube-apiserver and kube-controller-manager on ports of their own; gone with the test, however
/// it ends. Objects are admitted, defaulted, watched and collected; nothing is scheduled. Needs no root.
pub struct ControlPlane {
    holder: Mutex<Child>,
    kubeconfig: PathBuf,
    // Kept: its removal would race with the holder's.
    folder: TempDir,
}

impl ControlPlane {
    /// Whether its programs were built on this machine before, or are to be built now, as in CI: it takes minutes, which
    /// no test takes unasked.
    ///
    /// # Errors
    /// When they cannot be built; the script's words say why.
    pub fn is_due() -> Result<bool> {
        Ok(!tool("kubernetes", &["--if-built"])?.is_empty())
    }

    /// Starts one (about five seconds; the first on a machine builds Kubernetes, nine minutes).
    ///
    /// # Errors
    /// When a part does not start; the script said which on standard error, with the end of its log.
    pub fn start() -> Result<Self> {
        let folder = TempDir::with_prefix("tidemill-control-plane-")?;
        let mut holder = script("control-plane")
            .arg(folder.path().join("state"))
            .arg("hold")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("tests/cluster/control-plane")?;
        let mut line = String::new();
        let stdout = holder.stdout.take().context("its output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(!line.trim().is_empty(), "the control plane did not start");
        Ok(Self {
            holder: Mutex::new(holder),
            kubeconfig: PathBuf::from(line.trim()),
            folder,
        })
    }

    /// Path of its administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Ends it and all it left, for one that is never dropped.
    pub fn end(&self) {
        let Ok(mut holder) = self.holder.lock() else { return };
        // The holder ends everything when its input closes.
        drop(holder.stdin.take());
        if let Err(error) = holder.wait() {
            eprintln!("the control plane's holder: {error}");
        }
        drop(std::fs::remove_dir_all(self.folder.path()));
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.end();
    }
}

/// The machine's one full cluster, shared by the tests that need pods; it stays up behind them.
#[derive(Clone, Debug)]
pub struct Cluster {
    kubeconfig: PathBuf,
}

impl Cluster {
    /// Brings it up where it is not (as root; about half a minute once its parts are built).
    ///
    /// # Errors
    /// When a part does not start; the script said which on standard error.
    pub fn up() -> Result<Self> {
        Self::start(&["--bare"])
    }

    /// Brings it up with all that the seed's pipeline needs: its images, its registries, its Git server.
    ///
    /// # Errors
    /// As [`Cluster::up`].
    pub fn up_for_the_seed() -> Result<Self> {
        Self::start(&[])
    }

    fn start(arguments: &[&str]) -> Result<Self> {
        let output = script("up")
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()
            .context("tests/cluster/up")?;
        ensure!(output.status.success(), "tests/cluster/up failed");
        let path = String::from_utf8(output.stdout)?;
        Ok(Self {
            kubeconfig: PathBuf::from(path.trim()),
        })
    }

    /// Path of its administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// What `kubectl ARGUMENTS` wrote.
    ///
    /// # Errors
    /// When it fails, with what it wrote to standard error.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = script("kubectl")
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .output()
            .context("tests/cluster/kubectl")?;
        ensure!(
            output.status.success(),
            "kubectl {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// An object, or a list of them, as `kubectl get ARGUMENTS -o json` gives it.
    ///
    /// # Errors
    /// As [`Cluster::kubectl`].
    pub fn get(&self, arguments: &[&str]) -> Result<Value> {
        let arguments: Vec<_> = ["get", "-o", "json"].iter().chain(arguments).copied().collect();
        Ok(serde_json::from_str(&self.kubectl(&arguments)?)?)
    }
}

/// A script of tests/cluster.
fn script(name: &str) -> Command {
    let tree = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    Command::new(Path::new(tree).join("tests/cluster").join(name))
}
