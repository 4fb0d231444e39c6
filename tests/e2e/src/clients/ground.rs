//! Where the clients' server is: alone, or behind the API server of a cluster.
//!
//! The cluster is a control plane without nodes. The chart is installed in it as a person would; its gateway is a
//! process of this machine, with the rights of the chart's ServiceAccount, to which the chart's Service is bent.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use anyhow::{Context as _, Result, anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidemill_kit::{ControlPlane, Up, wait_until};

use super::program::SOON;
use tidemill_kit::tool;

/// Name of the release, and of its namespace.
pub(super) const RELEASE: &str = "tidemill";
/// The Service in front of the gateway.
pub(super) const SERVICE: &str = "tidemill-gateway";

/// A kubeconfig beside the administrator's that names no user.
pub(super) const NOBODY: &str = "nobody.kubeconfig";

/// What the clients talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// The gateway itself.
    Alone,
    /// The API server of a cluster, which passes on what is the gateway's.
    Cluster,
}

impl Ground {
    /// The first part of its tests' names.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Alone => "clients",
            Self::Cluster => "clients-cluster",
        }
    }
}

/// A control plane with the chart installed, and `tidemill up` as its gateway.
pub(super) struct Cluster {
    plane: ControlPlane,
    kubectl: PathBuf,
    up: Mutex<Option<Up>>,
    folder: TempDir,
}

static SHARED: OnceLock<std::result::Result<Cluster, String>> = OnceLock::new();

/// The cluster that tests share which do no harm to it; started on first use.
pub(super) fn cluster(kubectl: &Path) -> Result<&'static Cluster> {
    let shared = SHARED.get_or_init(|| Cluster::start(kubectl).map_err(|error| format!("{error:#}")));
    shared
        .as_ref()
        .map_err(|message| anyhow!("the cluster did not start: {message}"))
}

/// Ends it, after the last test.
pub fn stop() {
    let Some(Ok(shared)) = SHARED.get() else { return };
    shared.end();
}

impl Cluster {
    /// With the chart installed and a server that answers.
    fn start(kubectl: &Path) -> Result<Self> {
        let cluster = Self::installed(kubectl)?;
        let state = cluster.folder("state");
        cluster.settle(&state)?;
        let up = Up::start(&state, &[])?;
        if let Ok(mut slot) = cluster.up.lock() {
            *slot = Some(up);
        }
        cluster.lead(cluster.port(&state)?)?;
        cluster.wait_until_available()?;
        let nobody = cluster.kubeconfig_of(&json!({}))?;
        fs::write(cluster.kubeconfig().with_file_name(NOBODY), nobody)?;
        Ok(cluster)
    }

    /// With the chart installed, and nobody behind its Service.
    pub(super) fn installed(kubectl: &Path) -> Result<Self> {
        let cluster = Self::bare(kubectl)?;
        cluster.helm(&["install", RELEASE, &chart(), "--create-namespace"])?;
        Ok(cluster)
    }

    /// Without anything in it.
    pub(super) fn bare(kubectl: &Path) -> Result<Self> {
        Ok(Self {
            plane: ControlPlane::start()?,
            kubectl: kubectl.to_owned(),
            up: Mutex::default(),
            folder: tempfile::Builder::new().prefix("tidemill-e2e-").tempdir()?,
        })
    }

    /// The administrator's.
    pub(super) fn kubeconfig(&self) -> &Path {
        self.plane.kubeconfig()
    }

    /// A folder of its own, such as `state`, where the shared server keeps it.
    pub(super) fn folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes settings for a server that acts with the chart's ServiceAccount.
    pub(super) fn settle(&self, state: &Path) -> Result<()> {
        fs::create_dir_all(state)?;
        let account = self.account(state)?;
        let service = format!("{RELEASE}/{SERVICE}");
        let settings = format!("[gateway]\naggregated = true\nservice = {service:?}\nkubeconfig = {account:?}\n");
        Ok(fs::write(state.join("tidemill.toml"), settings)?)
    }

    /// A kubeconfig of the ServiceAccount that the chart gives its gateway.
    fn account(&self, state: &Path) -> Result<PathBuf> {
        let token = self.kubectl(&["create", "token", SERVICE, "--namespace", RELEASE, "--duration=24h"])?;
        let path = state.join("account.kubeconfig");
        fs::write(&path, self.kubeconfig_of(&json!({"token": token.trim()}))?)?;
        Ok(path)
    }

    /// The administrator's kubeconfig with another user.
    fn kubeconfig_of(&self, user: &Value) -> Result<String> {
        let own = self.kubectl(&["config", "view", "--raw", "--output=json"])?;
        let mut config: Value = serde_json::from_str(&own)?;
        config["users"][0]["user"] = user.clone();
        Ok(config.to_string())
    }

    /// The port of a gateway that is ready.
    pub(super) fn port(&self, state: &Path) -> Result<u16> {
        let up: Value = serde_json::from_str(&fs::read_to_string(state.join("up.json"))?)?;
        let address = up["address"].as_str().context("the server says no address")?;
        let (_, port) = address.rsplit_once(':').context("no port in its address")?;
        Ok(port.parse()?)
    }

    /// Leads the API server to a port of this machine.
    pub(super) fn lead(&self, port: u16) -> Result<()> {
        let service = json!({"spec": {
            "type": "ExternalName", "externalName": "localhost", "clusterIP": null, "clusterIPs": null,
        }});
        let patch = [
            "patch",
            "service",
            SERVICE,
            "--namespace",
            RELEASE,
            "--type=merge",
            "--patch",
        ];
        self.kubectl(&[&patch[..], &[&service.to_string()]].concat())?;
        let there = json!({"spec": {"service": {"port": port}}}).to_string();
        for name in self.services()?.lines() {
            self.kubectl(&["patch", name, "--type=merge", "--patch", &there])?;
        }
        Ok(())
    }

    /// The APIServices of the chart, one a line.
    pub(super) fn services(&self) -> Result<String> {
        let label = format!("app.kubernetes.io/instance={RELEASE}");
        self.kubectl(&["get", "apiservices", "--selector", &label, "--output=name"])
    }

    /// Waits until the API server passes requests on, and everybody may find what is served.
    pub(super) fn wait_until_available(&self) -> Result<()> {
        for name in self.services()?.lines() {
            self.kubectl(&["wait", "--for=condition=Available", "--timeout=60s", name])?;
        }
        let mut last = String::new();
        let found = wait_until(SOON, || {
            last = self.kubectl(&["api-resources", "--output=name"]).unwrap_or_default();
            last.contains("pipelineruns.tekton.dev") && last.contains("eventlisteners.triggers.tekton.dev")
        });
        ensure!(found, "what is served is not found:\n{last}");
        Ok(())
    }

    /// What kubectl says as the administrator.
    pub(super) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.kubectl);
        command.args(arguments);
        self.run(command)
    }

    /// What Helm says as the administrator, in the release's namespace.
    pub(super) fn helm(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(tool("helm", &[])?);
        command.args(arguments).args(["--namespace", RELEASE]);
        self.run(command)
    }

    fn run(&self, mut command: Command) -> Result<String> {
        let output = command
            .env("KUBECONFIG", self.kubeconfig())
            .env("HOME", self.folder.path().join("home"))
            .output()?;
        let (said, error) = (
            String::from_utf8(output.stdout)?,
            String::from_utf8_lossy(&output.stderr),
        );
        ensure!(output.status.success(), "{command:?}: {}\n{said}{error}", output.status);
        Ok(said)
    }

    /// The authority in the APIService of `name`, in PEM.
    pub(super) fn authority(&self, name: &str) -> Result<String> {
        let bundle = self.kubectl(&["get", "apiservice", name, "--output=jsonpath={.spec.caBundle}"])?;
        Ok(String::from_utf8(STANDARD.decode(bundle.trim())?)?)
    }

    fn end(&self) {
        if let Some(mut up) = self.up.lock().ok().and_then(|mut up| up.take())
            && let Err(error) = up.process.stop()
        {
            eprintln!("the cluster's gateway: {error:#}");
        }
        self.plane.end();
        drop(fs::remove_dir_all(self.folder.path()));
    }
}

/// The chart's folder.
pub(super) fn chart() -> String {
    root().join("deploy/helm/tidemill").to_string_lossy().into_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
