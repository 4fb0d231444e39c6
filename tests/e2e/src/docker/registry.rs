//! A registry that demands a password: who may pull, and what is said to those who may not.

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;
use tidemill_kit::docker::Engine;
use tidemill_kit::wait_until;

use super::tasks::Tried;
use crate::Test;

/// How long the registry may take to listen.
const START_LIMIT: Duration = Duration::from_secs(30);
const USER: &str = "robot";
const PASSWORD: &str = "correct-horse-battery";

pub(super) fn tests() -> Vec<Test> {
    vec![Test::new("docker::registry_demands_a_password", || {
        pulls(Engine::get()?)
    })]
}

/// A registry on a port of its own; it ends with this value.
struct Registry {
    process: Child,
    host: String,
    _folder: TempDir,
}

impl Registry {
    fn start() -> Result<Self> {
        let tree = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let prepared = Command::new(format!("{tree}/deploy/tools/prepare"))
            .args(["docker-registry", "htpasswd"])
            .status()?;
        ensure!(prepared.success(), "docker-registry or htpasswd is missing");
        let folder = TempDir::with_prefix("tidemill-registry-")?;
        let users = Command::new("htpasswd").args(["-nbB", USER, PASSWORD]).output()?;
        fs::write(folder.path().join("users"), &users.stdout)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let host = format!("127.0.0.1:{port}");
        let settings = folder.path().join("settings.yaml");
        fs::write(
            &settings,
            format!(
                "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {0}/data}}}}\nhttp: {{addr: '{host}'}}\nauth: {{htpasswd: {{realm: test, path: {0}/users}}}}\n",
                folder.path().display()
            ),
        )?;
        let log = File::create(folder.path().join("log"))?;
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("docker-registry")?;
        let registry = Self {
            process,
            host,
            _folder: folder,
        };
        let listens = wait_until(START_LIMIT, || std::net::TcpStream::connect(&registry.host).is_ok());
        ensure!(listens, "the registry does not listen at {}", registry.host);
        Ok(registry)
    }

    /// Brings busybox there and removes it from the engine again; gives its name.
    fn fill(&self, engine: &Engine) -> Result<String> {
        let name = format!("{}/private/busybox:1", self.host);
        let config = TempDir::new()?;
        fs::write(
            config.path().join("config.json"),
            docker_config(&self.host, USER, PASSWORD),
        )?;
        let config = config.path().to_string_lossy();
        engine.docker(&["tag", "busybox", &name])?;
        engine.docker(&["--config", &config, "push", "--quiet", &name])?;
        engine.docker(&["rmi", &name])?;
        Ok(name)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn docker_config(host: &str, user: &str, password: &str) -> String {
    let auth = STANDARD.encode(format!("{user}:{password}"));
    format!(r#"{{"auths": {{"{host}": {{"auth": "{auth}"}}}}}}"#)
}

/// Secrets to pull with, right and wrong, an account that pulls with the right one, and one whose steps push.
fn objects(host: &str) -> String {
    let [right, wrong] = [PASSWORD, "guessed"].map(|password| STANDARD.encode(docker_config(host, USER, password)));
    format!(
        r#"
apiVersion: v1
kind: Secret
metadata: {{name: right}}
type: kubernetes.io/dockerconfigjson
data: {{.dockerconfigjson: {right}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: wrong}}
type: kubernetes.io/dockerconfigjson
data: {{.dockerconfigjson: {wrong}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: puller}}
imagePullSecrets: [{{name: right}}]
---
apiVersion: v1
kind: Secret
metadata: {{name: push, annotations: {{tekton.dev/docker-0: "http://{host}"}}}}
type: kubernetes.io/basic-auth
stringData: {{username: {USER}, password: {PASSWORD}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: pusher}}
secrets: [{{name: push}}]
"#
    )
}

fn pulls(engine: &Engine) -> Result<()> {
    let registry = Registry::start()?;
    let image = registry.fill(engine)?;
    let tried = Tried::new("registry", engine)?;
    tried.apply(&objects(&registry.host))?;
    let tested = refused(&tried, &image).and_then(|()| allowed(&tried, &image, &registry.host));
    drop(engine.docker(&["rmi", "--force", &image]));
    tested
}

fn step(image: &str, policy: &str) -> String {
    format!("  taskSpec: {{steps: [{{name: a, image: '{image}', imagePullPolicy: {policy}, script: 'echo pulled'}}]}}")
}

/// The reason that Kubernetes' kubelet has it for, with the registry's own words.
fn refused(tried: &Tried, image: &str) -> Result<()> {
    let wrong = format!(
        "  podTemplate: {{imagePullSecrets: [{{name: wrong}}]}}\n{}",
        step(image, "Always")
    );
    for (name, spec, words) in [
        ("without", step(image, "IfNotPresent"), "no basic auth credentials"),
        ("wrong", wrong, "unauthorized"),
        ("never", step(image, "Never"), "ErrImageNeverPull"),
    ] {
        let ended = tried.task(name, &spec)?;
        ensure!(
            ended.0 == "TaskRunImagePullFailed" && ended.1.contains(words) && ended.1.contains(image),
            "{name}: {ended:?}, expected {words:?}"
        );
    }
    Ok(())
}

fn allowed(tried: &Tried, image: &str, host: &str) -> Result<()> {
    let named = format!(
        "  podTemplate: {{imagePullSecrets: [{{name: wrong-and-missing}}, {{name: right}}]}}\n{}",
        step(image, "Always")
    );
    tried.must_log("named", &named, &["pulled"])?;
    let account = format!("  serviceAccountName: puller\n{}", step(image, "Always"));
    tried.must_log("account", &account, &["pulled"])?;
    // It is there by now, and nobody asks the registry.
    tried.must_log("present", &step(image, "IfNotPresent"), &["pulled"])?;
    let pushes = "  serviceAccountName: pusher\n  taskSpec: {steps: [{name: a, image: busybox, script: 'cat \"$DOCKER_CONFIG/config.json\"'}]}";
    tried.must_log("pushes", pushes, &[host, "auths"])?;
    let logs = tried.logs("taskrun", "pushes")?;
    ensure!(!logs.contains(PASSWORD), "a password is shown:\n{logs}");
    let auth = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    ensure!(!logs.contains(&auth), "a password is shown in base64:\n{logs}");
    Ok(())
}
