//! Tasks in containers that no scenario can have: credentials, reasons of the place, runs of two classes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tidemill_kit::docker::Engine;
use tidemill_kit::{get, tell, wait_until};

use crate::Test;
use crate::pods::credentials::ACCOUNT;
use crate::server::{Place, shared_state_of};

/// How long a run may take with all others beside it.
const LIMIT: Duration = Duration::from_secs(120);
/// Far below any time limit of a task, with all other tests beside it.
const AT_ONCE: Duration = Duration::from_secs(60);

type Body = fn(&Tried) -> Result<()>;

pub(super) fn tests() -> Vec<Test> {
    let all: [(&str, Body); 3] = [
        ("credentials", credentials),
        ("reasons", reasons),
        ("two-classes", two_classes),
    ];
    let all = all.into_iter().map(|(name, test)| {
        Test::new(format!("docker::tasks_{name}"), move || {
            test(&Tried::new(name, Engine::get()?)?)
        })
    });
    all.collect()
}

/// A namespace on the server whose tasks are containers.
pub(super) struct Tried {
    state: PathBuf,
    namespace: String,
    folder: TempDir,
}

impl Tried {
    /// On the server that tests share.
    pub(super) fn new(name: &str, engine: &Engine) -> Result<Self> {
        Self::on(&shared_state_of(Place::Docker(engine))?, name)
    }

    /// On the server of a state directory.
    pub(super) fn on(state: &Path, name: &str) -> Result<Self> {
        let tried = Self {
            state: state.to_owned(),
            namespace: format!("tasks-{name}"),
            folder: tempfile::tempdir()?,
        };
        let namespace = &tried.namespace;
        tried.apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n"
        ))?;
        Ok(tried)
    }

    pub(super) fn apply(&self, yaml: &str) -> Result<()> {
        let file = self.folder.path().join("objects.yaml");
        fs::write(&file, yaml)?;
        let file = file.to_string_lossy();
        tell(&self.state, &["apply", "-n", &self.namespace, "-f", &file]).map(drop)
    }

    /// Creates a TaskRun.
    pub(super) fn create(&self, name: &str, spec: &str) -> Result<()> {
        self.apply(&format!(
            "apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {{name: {name}}}\nspec:\n{spec}\n"
        ))
    }

    /// Creates a TaskRun; gives reason and message of its end.
    pub(super) fn task(&self, name: &str, spec: &str) -> Result<(String, String)> {
        self.create(name, spec)?;
        self.ended("taskrun", name)
    }

    /// Creates a TaskRun, which must succeed and write these texts to its log.
    pub(super) fn must_log(&self, name: &str, spec: &str, texts: &[&str]) -> Result<()> {
        let ended = self.task(name, spec)?;
        let logs = self.logs("taskrun", name)?;
        ensure!(ended.0 == "Succeeded", "{name}: {ended:?}\n{logs}");
        for text in texts {
            ensure!(logs.contains(text), "{name}: no {text:?} in\n{logs}");
        }
        Ok(())
    }

    /// Reason and message of an end, which is waited for.
    pub(super) fn ended(&self, kind: &str, name: &str) -> Result<(String, String)> {
        let mut run = Value::Null;
        let over = wait_until(LIMIT, || {
            run = get(&self.state, &self.namespace, &[kind, name]).unwrap_or_default();
            let status = &run["status"]["conditions"][0]["status"];
            status == "True" || status == "False"
        });
        ensure!(over, "{kind} {name} goes on: {}", run["status"]);
        let condition = &run["status"]["conditions"][0];
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        Ok((text("reason"), text("message")))
    }

    pub(super) fn logs(&self, kind: &str, name: &str) -> Result<String> {
        tell(&self.state, &["logs", "-n", &self.namespace, kind, name])
    }
}

/// A step reads its credentials, alone in the only container and as another user beside others.
fn credentials(tried: &Tried) -> Result<()> {
    tried.apply(ACCOUNT)?;
    let look = r#"
          cat "$GIT_CONFIG_GLOBAL" /tekton/creds/.ssh/config /tekton/creds/.ssh/known_hosts
          echo "by: $GIT_SSH_COMMAND"
          stat -c 'key: %a %u' /tekton/creds/.ssh/id_git-key
          cat /tekton/creds/.git-credentials
          echo x 2>/dev/null > /tekton/creds/x && echo "written" || true"#;
    let alone = format!(
        "  serviceAccountName: robot\n  taskSpec:\n    steps:\n      - name: a\n        image: busybox\n        script: |{look}"
    );
    let beside = format!(
        "{alone}\n      - name: b\n        image: busybox\n        securityContext: {{runAsUser: 1000}}\n        script: |{look}"
    );
    for (name, spec, keys) in [
        ("alone", &alone, &["key: 600 0"][..]),
        ("beside", &beside, &["key: 600 0", "key: 600 1000"]),
    ] {
        let ended = tried.task(name, spec)?;
        let logs = tried.logs("taskrun", name)?;
        ensure!(ended.0 == "Succeeded", "{name}: {ended:?}\n{logs}");
        let texts = [
            "[credential \"https://git.example\"]",
            "Port 2222",
            "git.example ssh-ed25519 AAAA",
            "by: ssh -F /tekton/creds/.ssh/config",
        ];
        for text in texts.iter().chain(keys) {
            ensure!(logs.contains(text), "{name}: no {text:?} in\n{logs}");
        }
        ensure!(!logs.contains("hunter2hunter2"), "a password is shown:\n{logs}");
        ensure!(!logs.contains("written"), "credentials can be written:\n{logs}");
    }
    Ok(())
}

/// Name, spec, reason, a part of the message.
const CASES: [(&str, &str, &str, &str); 6] = [
    (
        "pull",
        "  taskSpec: {steps: [{name: a, image: 'registry.invalid/none:1', script: 'true'}]}",
        "TaskRunImagePullFailed",
        "registry.invalid/none:1",
    ),
    (
        "memory",
        "  taskSpec: {steps: [{name: a, image: busybox, computeResources: {limits: {memory: 24Mi}}, script: 'x=a; while true; do x=$x$x; done'}]}",
        "StepOOM",
        "memory",
    ),
    (
        "memory-beside",
        "  taskSpec: {steps: [{name: a, image: busybox, computeResources: {limits: {memory: 24Mi}}, script: 'x=a; while true; do x=$x$x; done'}, {name: b, image: busybox, script: 'true'}]}",
        "StepOOM",
        "memory",
    ),
    (
        "config",
        "  taskSpec: {steps: [{name: a, image: busybox, env: [{name: X, valueFrom: {secretKeyRef: {name: nowhere, key: x}}}], script: 'true'}]}",
        "CreateContainerConfigError",
        "nowhere",
    ),
    (
        "host-path",
        "  taskSpec: {steps: [{name: a, image: busybox, script: 'true', volumeMounts: [{name: v, mountPath: /host}]}], volumes: [{name: v, hostPath: {path: /etc}}]}",
        "CreateContainerConfigError",
        "docker.host-path-prefixes",
    ),
    (
        "fails",
        "  taskSpec: {steps: [{name: a, image: busybox, script: 'exit 7'}, {name: b, image: busybox, script: 'true'}]}",
        "Failed",
        "code 7",
    ),
];

/// What cannot run says so at once, in the words it has on Kubernetes.
fn reasons(tried: &Tried) -> Result<()> {
    for (name, spec, reason, message) in CASES {
        let start = Instant::now();
        let ended = tried.task(name, spec)?;
        ensure!(
            ended.0 == reason && ended.1.contains(message),
            "{name}: {ended:?}, expected {reason} with {message:?}"
        );
        let took = start.elapsed();
        ensure!(took < AT_ONCE, "{name} took {took:?}");
    }
    Ok(())
}

const TWO_CLASSES: &str = r#"
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: both}
spec:
  workspaces:
    - name: shared
      volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}
  pipelineSpec:
    workspaces: [{name: shared}]
    tasks:
      - name: contained
        workspaces: [{name: shared}]
        taskSpec:
          workspaces: [{name: shared}]
          results: [{name: inside}]
          steps:
            - image: busybox
              script: |
                echo written > $(workspaces.shared.path)/file
                [ ! -e /usr/share ] && printf yes > $(results.inside.path)
      - name: bare
        params: [{name: before, value: $(tasks.contained.results.inside)}]
        taskSpec:
          metadata: {annotations: {tidemill.dev/class: process}}
          params: [{name: before}]
          steps:
            - image: busybox
              script: |
                [ -e /usr/share ] && echo "bare after $(params.before)"
      - name: follows
        runAfter: [bare]
        workspaces: [{name: shared}]
        taskSpec:
          metadata: {annotations: {tidemill.dev/class: process}}
          workspaces: [{name: shared}]
          steps:
            - image: busybox
              script: |
                [ ! -e /usr/share ] && echo "follows: $(cat $(workspaces.shared.path)/file)"
"#;

/// One run on two backends; a task that is given the claim of one in a container follows it.
fn two_classes(tried: &Tried) -> Result<()> {
    tried.apply(TWO_CLASSES)?;
    let ended = tried.ended("pipelinerun", "both")?;
    let logs = tried.logs("pipelinerun", "both")?;
    ensure!(ended.0 == "Succeeded", "{ended:?}\n{logs}");
    for text in ["bare after yes", "follows: written"] {
        ensure!(logs.contains(text), "no {text:?} in\n{logs}");
    }
    Ok(())
}
