//! Tasks as pods of a real cluster. Slow and for root alone, so they run when asked for: `make pods`.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tidemill_kit::{Cluster, Up, ask, get, program, tell, wait_until};

use crate::Test;

pub(crate) mod credentials;
mod life;
mod reasons;

/// No run here takes longer.
const PATIENCE: Duration = Duration::from_secs(180);
/// An image that every cluster of the tests has.
const IMAGE: &str = "busybox:1.35";

/// All of them.
pub fn tests() -> Vec<Test> {
    [life::tests(), reasons::tests(), credentials::tests()]
        .into_iter()
        .flatten()
        .collect()
}

/// A namespace of the cluster and a Tidemill for it.
pub(crate) struct Place {
    pub(crate) cluster: Cluster,
    pub(crate) namespace: String,
    up: Option<Up>,
    folder: TempDir,
}

impl Place {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let cluster = Cluster::up()?;
        let folder = TempDir::with_prefix("tidemill-pods-")?;
        let (state, bin) = (folder.path().join("state"), folder.path().join("bin"));
        fs::create_dir_all(&state)?;
        fs::create_dir_all(&bin)?;
        fs::copy(step()?, bin.join("tidemill-step"))?;
        let settings = format!(
            "[planner]\ndefault-class = \"kubernetes\"\n[runner.kubernetes]\nkubeconfig = \"{}\"\nunschedulable = \"5s\"\n\
             delivery = {{ host-path = {{ path = \"{}\" }} }}\n",
            cluster.kubeconfig().display(),
            bin.display()
        );
        fs::write(state.join("tidemill.toml"), settings)?;
        let namespace = format!("{name}-{}", std::process::id());
        cluster.kubectl(&["create", "namespace", &namespace])?;
        let mut place = Self {
            cluster,
            namespace,
            up: None,
            folder,
        };
        place.start()?;
        // Runs are Tidemill's, and so are the namespaces they are in.
        let path = place.folder.path().join("namespace.yaml");
        fs::write(
            &path,
            format!(
                "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {}}}\n",
                place.namespace
            ),
        )?;
        tell(&place.state(), &["apply", "-f", &path.to_string_lossy()])?;
        Ok(place)
    }

    pub(crate) fn start(&mut self) -> Result<()> {
        let up = Up::start(&self.state(), &[])?;
        let spoken = up.process.spoken();
        ensure!(spoken.contains("kubernetes ("), "no cluster was found: {spoken}");
        self.up = Some(up);
        Ok(())
    }

    /// Ends Tidemill as a crash would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        match self.up.take() {
            Some(mut up) => up.process.kill(),
            None => Ok(()),
        }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Applies YAML to the cluster.
    pub(crate) fn in_cluster(&self, yaml: &str) -> Result<()> {
        let path = self.folder.path().join("cluster.yaml");
        fs::write(&path, yaml)?;
        self.cluster
            .kubectl(&["apply", "-n", &self.namespace, "-f", &path.to_string_lossy()])
            .map(drop)
    }

    /// Creates a run with this spec, indented by two spaces.
    pub(crate) fn create(&self, kind: &str, name: &str, spec: &str) -> Result<()> {
        let path = self.folder.path().join(format!("{name}.yaml"));
        let namespace = &self.namespace;
        let spec = spec.replace("IMAGE", IMAGE);
        let text = format!(
            "apiVersion: tekton.dev/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n{spec}\n"
        );
        fs::write(&path, text)?;
        tell(&self.state(), &["create", "-f", &path.to_string_lossy()]).map(drop)
    }

    pub(crate) fn object(&self, kind: &str, name: &str) -> Result<Value> {
        get(&self.state(), &self.namespace, &[kind, name])
    }

    /// Status, reason, message of its condition.
    pub(crate) fn condition(&self, kind: &str, name: &str) -> Result<(String, String, String)> {
        let object = self.object(kind, name)?;
        let condition = &object["status"]["conditions"][0];
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        Ok((text("status"), text("reason"), text("message")))
    }

    /// Waits for its end; reason and message.
    pub(crate) fn ended(&self, kind: &str, name: &str) -> Result<(String, String)> {
        let is_over = || {
            self.condition(kind, name)
                .is_ok_and(|(status, ..)| status == "True" || status == "False")
        };
        let over = wait_until(PATIENCE, is_over);
        let (_, reason, message) = self.condition(kind, name)?;
        ensure!(
            over,
            "{kind} {name} goes on ({reason}: {message}); pods: {}",
            self.pods()?
        );
        Ok((reason, message))
    }

    pub(crate) fn logs(&self, kind: &str, name: &str) -> Result<String> {
        tell(&self.state(), &["logs", "-n", &self.namespace, kind, name])
    }

    pub(crate) fn pods(&self) -> Result<String> {
        self.cluster
            .kubectl(&["get", "pods,secrets", "-n", &self.namespace, "-o", "name"])
    }

    /// Nothing of the runs is left.
    pub(crate) fn must_be_clean(&self) -> Result<()> {
        let clean = wait_until(PATIENCE, || self.pods().is_ok_and(|pods| pods.trim().is_empty()));
        ensure!(clean, "left behind: {}", self.pods()?);
        Ok(())
    }

    /// Waits until the log holds a text.
    pub(crate) fn must_log(&self, kind: &str, name: &str, text: &str) -> Result<()> {
        let said = wait_until(PATIENCE, || {
            let logs = ask(&self.state(), &["logs", "-n", &self.namespace, kind, name]);
            logs.is_ok_and(|logs| String::from_utf8_lossy(&logs.stdout).contains(text))
        });
        ensure!(said, "{name} never said {text:?}; pods: {}", self.pods()?);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.up.take());
        let gone = self
            .cluster
            .kubectl(&["delete", "namespace", &self.namespace, "--wait=false"]);
        drop(gone);
    }
}

/// The step binary; as it is built it runs in any image.
fn step() -> Result<PathBuf> {
    let path = program("tidemill-step")?;
    path.canonicalize().with_context(|| path.display().to_string())
}

/// How long something takes.
pub(crate) fn timed<T>(what: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let start = Instant::now();
    Ok((what()?, start.elapsed()))
}
