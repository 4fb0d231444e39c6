//! The cluster, Tidemill beside it, and what a person does with both.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tidemill_kit::{Cluster, Collector, program, tell, wait_until};

use super::platform::{Part, Platform};

/// How long a run of the seed's pipeline may take on a busy machine.
pub(super) const RUN_LIMIT: Duration = Duration::from_secs(420);
/// Where every node has the step binary; the cluster has one node.
const STEP_FOLDER: &str = "/var/lib/tidemill-cluster/step";

/// A full cluster and the services that run their tasks there.
pub(super) struct World {
    pub(super) cluster: Cluster,
    pub(super) platform: Platform,
    /// Where its spans go.
    pub(super) collector: Collector,
    folder: TempDir,
    state: PathBuf,
    pub(super) seed: Seed,
}

impl World {
    /// Brings everything up, on nothing that an earlier test left.
    pub(super) fn start() -> Result<Self> {
        let cluster = Cluster::up_for_the_seed()?;
        script("reset", &[])?;
        install_step()?;
        let folder = tempfile::Builder::new().prefix("tidemill-cluster-").tempdir()?;
        let state = new_state(folder.path(), "state", &cluster)?;
        let collector = Collector::start()?;
        Ok(Self {
            platform: Platform::together(&state, &collector)?,
            cluster,
            collector,
            folder,
            state,
            seed: Seed::find(),
        })
    }

    /// Stops `tidemill up`; the services that follow are processes of their own and know nothing of what was before.
    pub(super) fn move_apart(&mut self) -> Result<()> {
        if let Platform::Together(up) = &mut self.platform {
            up.process.stop()?;
        }
        self.state = new_state(self.folder.path(), "apart", &self.cluster)?;
        self.platform = Platform::apart(&self.state, &self.collector)?;
        Ok(())
    }

    /// Kills everything as a power cut would: nats-server, and the process of all services.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.platform.kill()
    }

    /// Kills one part of the services and starts it anew.
    pub(super) fn kill_alone(&mut self, part: Part) -> Result<()> {
        self.platform.kill_alone(part)
    }

    /// Whether there is a TaskRun of this name.
    pub(super) fn has_task_run(&self, name: &str) -> bool {
        tidemill_kit::get(&self.state(), "default", &["taskrun", name]).is_ok()
    }

    /// Starts `tidemill up` again on the same state, after it was killed.
    pub(super) fn start_again(&mut self) -> Result<()> {
        self.platform = Platform::together(&self.state, &self.collector)?;
        Ok(())
    }

    pub(super) fn state(&self) -> PathBuf {
        self.state.clone()
    }

    /// Text of a file of the seed.
    pub(super) fn seed_file(&self, name: &str) -> Result<String> {
        self.seed.file(name)
    }

    /// Applies a text to Tidemill.
    pub(super) fn apply(&self, text: &str) -> Result<()> {
        let file = self.folder.path().join("apply.yaml");
        fs::write(&file, text)?;
        tell(&self.state(), &["apply", "-f", &file.display().to_string()])?;
        Ok(())
    }

    /// Applies a text to the cluster.
    pub(super) fn apply_to_cluster(&self, text: &str) -> Result<()> {
        let file = self.folder.path().join("cluster.yaml");
        fs::write(&file, text)?;
        self.cluster.kubectl(&["apply", "-f", &file.display().to_string()])?;
        Ok(())
    }

    /// Applies the seed's Secrets, accounts, rights and claims to the cluster; what ingest reads to Tidemill too.
    pub(super) fn apply_others(&self) -> Result<()> {
        for name in ["other.yaml", "other-triggers.yaml"] {
            let text = self.seed_file(name)?;
            self.apply_to_cluster(&text)?;
        }
        Ok(())
    }

    /// A PipelineRun of Tidemill.
    pub(super) fn run(&self, name: &str) -> Result<Value> {
        tidemill_kit::get(&self.state(), "default", &["pipelinerun", name])
    }

    /// Waits until a run is over; gives it.
    pub(super) fn wait_for(&self, name: &str, limit: Duration) -> Result<Value> {
        let over = |run: &Value| matches!(condition(run)["status"].as_str(), Some("True" | "False"));
        let found = wait_until(limit, || self.run(name).is_ok_and(|run| over(&run)));
        let run = self.run(name)?;
        if !found {
            bail!("{name} is not over after {limit:?}:\n{}", self.describe(name)?);
        }
        Ok(run)
    }

    /// The same, and it must have succeeded.
    pub(super) fn must_succeed(&self, name: &str) -> Result<Value> {
        let run = self.wait_for(name, RUN_LIMIT)?;
        if condition(&run)["status"] != "True" {
            bail!("{name} failed:\n{}\n{}", self.describe(name)?, self.logs(name)?);
        }
        Ok(run)
    }

    pub(super) fn describe(&self, name: &str) -> Result<String> {
        tell(&self.state(), &["describe", "pipelinerun", name])
    }

    pub(super) fn logs(&self, name: &str) -> Result<String> {
        tell(&self.state(), &["logs", name])
    }

    pub(super) fn delete_run(&self, name: &str) -> Result<()> {
        tell(&self.state(), &["delete", "pipelinerun", name])?;
        let gone = wait_until(Duration::from_secs(60), || self.run(name).is_err());
        ensure!(gone, "{name} does not go");
        Ok(())
    }

    /// Pushes a commit of the demo's program; gives its hash.
    pub(super) fn commit(&self, text: &str, ready: bool) -> Result<String> {
        let arguments: &[&str] = if ready { &[text] } else { &[text, "never-ready"] };
        Ok(script("commit", arguments)?.trim().to_owned())
    }

    /// What the deployed service answers, asked from a pod by its name.
    pub(super) fn answer(&self) -> Result<String> {
        let ask = "wget -q -O - http://devops-demo.k8s.local";
        self.cluster
            .kubectl(&["exec", "-n", "forge", "deploy/git", "--", "sh", "-c", ask])
    }

    /// Waits until the service answers with this text.
    pub(super) fn must_answer(&self, text: &str) -> Result<()> {
        let body = format!("{{\"msg\":\"{text}\"}}");
        let found = wait_until(Duration::from_secs(20), || {
            self.answer().is_ok_and(|answer| answer.trim() == body)
        });
        ensure!(found, "the service answers {:?}, not {body}", self.answer());
        Ok(())
    }

    /// Sends a GitLab push to the listener, as GitLab does.
    pub(super) fn push_hook(&self, commit: &str) -> Result<()> {
        let body = serde_json::json!({
            "object_kind": "push", "ref": "refs/heads/main", "checkout_sha": commit,
            "repository": {"git_http_url": "http://git.k8s.local/course/devops-demo.git"},
        });
        let url = self.platform.webhooks()?;
        let mut curl = Command::new("curl")
            .args(["-sf", "--max-time", "20", "-X", "POST", "--data-binary", "@-"])
            .args([
                "-H",
                "Content-Type: application/json",
                "-H",
                "X-Gitlab-Event: Push Hook",
            ])
            .args(["-H", "X-Gitlab-Token: 1234567"])
            .arg(format!("{url}/default/gitlab-listener"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        curl.stdin
            .take()
            .context("its input")?
            .write_all(body.to_string().as_bytes())?;
        ensure!(curl.wait()?.success(), "the webhook was not taken");
        Ok(())
    }

    /// Waits for a run whose name begins so and that is none of `known`.
    pub(super) fn new_run(&self, prefix: &str, known: &[String]) -> Result<String> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(30) {
            let new = self.names(prefix)?.into_iter().find(|name| !known.contains(name));
            if let Some(name) = new {
                return Ok(name);
            }
            std::thread::park_timeout(Duration::from_millis(100));
        }
        bail!("no run {prefix}… appeared")
    }

    /// Names of the runs that begin so.
    pub(super) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let runs = tidemill_kit::get(&self.state(), "default", &["pipelinerun"])?;
        let items = runs["items"].as_array().cloned().unwrap_or_default();
        let names = items.iter().filter_map(|run| run["metadata"]["name"].as_str());
        Ok(names
            .filter(|name| name.starts_with(prefix))
            .map(str::to_owned)
            .collect())
    }
}

/// The condition Succeeded of a run.
pub(super) fn condition(run: &Value) -> &Value {
    &run["status"]["conditions"][0]
}

/// Runs a script of tests/cluster to its end; gives what it wrote.
pub(super) fn script(name: &str, arguments: &[&str]) -> Result<String> {
    let path = tree().join("tests/cluster").join(name);
    let output = Command::new(&path)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{}", path.display()))?;
    ensure!(output.status.success(), "{} failed", path.display());
    Ok(String::from_utf8(output.stdout)?)
}

pub(super) fn tree() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The seed's files: those beside the tree, else our own equivalent of them.
pub(super) struct Seed(PathBuf);

impl Seed {
    pub(super) fn find() -> Self {
        let beside = std::env::var_os("TIDEMILL_SEED").map_or_else(|| tree().join("../shared/seed"), PathBuf::from);
        if beside.join("pipelinerun.yaml").is_file() {
            Self(beside)
        } else {
            Self(tree().join("tests/cluster/seed/equivalent"))
        }
    }

    /// Text of one of them.
    pub(super) fn file(&self, name: &str) -> Result<String> {
        let path = self.0.join(name);
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }
}

/// A state directory with its settings.
fn new_state(folder: &Path, name: &str, cluster: &Cluster) -> Result<PathBuf> {
    let state = folder.join(name);
    fs::create_dir_all(&state)?;
    fs::write(state.join("tidemill.toml"), settings(cluster))?;
    Ok(state)
}

fn settings(cluster: &Cluster) -> String {
    let kubeconfig = cluster.kubeconfig().display();
    format!(
        "[planner]\ndefault-class = \"kubernetes\"\n\n[runner]\nslots = 64\n\n[runner.kubernetes]\n\
         kubeconfig = \"{kubeconfig}\"\ndelivery = {{ host-path = {{ path = \"{STEP_FOLDER}\" }} }}\n\n\
         [deployer]\nkubeconfig = \"{kubeconfig}\"\nnamespaces = [\"kube-ops\"]\n"
    )
}

/// Puts the step binary where pods find it; under another name first, as pods may be running the old one.
fn install_step() -> Result<()> {
    fs::create_dir_all(STEP_FOLDER)?;
    let new = Path::new(STEP_FOLDER).join("tidemill-step.new");
    fs::copy(program("tidemill-step")?, &new)?;
    fs::rename(new, Path::new(STEP_FOLDER).join("tidemill-step"))?;
    Ok(())
}
