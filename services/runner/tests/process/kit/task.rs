//! A pod with its plan, written down shortly.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, Volume, VolumeMount};
use serde_json::{Value, json};
use tidemill_messages::AttemptKey;
use tidemill_messages::plan::{ANNOTATION, Plan, PlanSidecar, PlanStep};
use tidemill_messages::{RunKind, RunReference, StartTask, TaskRunIdentity};
use tidemill_resources::task::{TaskResult, TaskSpec};
use tidemill_runner::backend::Play;

/// A task as its pod builder would have made it.
#[derive(Clone)]
pub(crate) struct Task {
    key: AttemptKey,
    spec: PodSpec,
    plan: Plan,
}

impl Task {
    pub(crate) fn new() -> Self {
        Self {
            key: AttemptKey::new(uuid::Uuid::new_v4().to_string(), "task", 0),
            spec: PodSpec::default(),
            plan: Plan {
                version: 1,
                steps: Vec::new(),
                sidecars: Vec::new(),
                results: Vec::new(),
            },
        }
    }

    /// One step with a script.
    pub(crate) fn script(text: &str) -> Self {
        Self::new().step("only", text)
    }

    /// A further step with a script.
    pub(crate) fn step(self, name: &str, script: &str) -> Self {
        self.step_with(name, json!({}), |step| step.script = Some(script.to_owned()))
    }

    /// A further step: fields of its container, and what the plan says of it.
    pub(crate) fn step_with(mut self, name: &str, container: Value, change: impl FnOnce(&mut PlanStep)) -> Self {
        let container = container_of(&format!("step-{name}"), container);
        let mut step = PlanStep::new(container.name.clone());
        change(&mut step);
        self.spec.containers.push(container);
        self.plan.steps.push(step);
        self
    }

    /// A sidecar: fields of its container.
    pub(crate) fn sidecar(mut self, name: &str, script: &str, container: Value) -> Self {
        let container = container_of(&format!("sidecar-{name}"), container);
        self.plan.sidecars.push(PlanSidecar {
            container: container.name.clone(),
            script: Some(script.to_owned()),
        });
        self.spec.init_containers.get_or_insert_default().push(container);
        self
    }

    /// A volume, mounted in all containers so far.
    pub(crate) fn volume(mut self, mut volume: Value, mount: Value) -> Self {
        volume["name"] = format!("volume-{}", self.spec.volumes.iter().flatten().count()).into();
        let volume: Volume = serde_json::from_value(volume).unwrap();
        for container in &mut self.spec.containers {
            let mut mount = mount.clone();
            mount["name"] = volume.name.clone().into();
            let mount: VolumeMount = serde_json::from_value(mount).unwrap();
            container.volume_mounts.get_or_insert_default().push(mount);
        }
        self.spec.volumes.get_or_insert_default().push(volume);
        self
    }

    /// The same, in the sidecars too.
    pub(crate) fn volume_everywhere(self, volume: Value, mount: Value) -> Self {
        let mut task = self.volume(volume, mount);
        let last = task
            .spec
            .containers
            .first()
            .and_then(|first| first.volume_mounts.as_ref()?.last().cloned());
        for sidecar in task.spec.init_containers.iter_mut().flatten() {
            sidecar.volume_mounts.get_or_insert_default().extend(last.clone());
        }
        task
    }

    /// With a key that others can guess.
    pub(crate) fn keyed(mut self, run_uid: &str) -> Self {
        self.key = AttemptKey::new(run_uid, "task", 0);
        self
    }

    /// A declared result of the task.
    pub(crate) fn result(mut self, name: &str) -> Self {
        self.plan.results.push(result(name));
        self
    }

    pub(crate) fn play(&self) -> Play {
        let mut pod = Pod {
            spec: Some(self.spec.clone()),
            ..Pod::default()
        };
        pod.metadata.name = Some("run-task-pod".to_owned());
        pod.metadata.namespace = Some("default".to_owned());
        pod.metadata.annotations = Some([(ANNOTATION.to_owned(), self.plan.to_annotation().unwrap())].into());
        Play {
            key: self.key.clone(),
            command: Arc::new(self.command()),
            pod: Arc::new(pod),
        }
    }

    fn command(&self) -> StartTask {
        StartTask {
            version: 1,
            run: RunReference {
                kind: RunKind::PipelineRun,
                namespace: "default".to_owned(),
                name: "run".to_owned(),
                uid: self.key.run_uid.clone(),
            },
            task: self.key.task.clone(),
            attempt: self.key.attempt,
            task_run: TaskRunIdentity {
                name: "run-task".to_owned(),
                uid: String::new(),
                labels: Default::default(),
                annotations: Default::default(),
            },
            spec: TaskSpec::default(),
            workspaces: Vec::new(),
            service_account_name: String::new(),
            pod_template: None,
            step_specs: Vec::new(),
            sidecar_specs: Vec::new(),
            compute_resources: None,
            traceparent: None,
        }
    }
}

/// A declared result.
pub(crate) fn result(name: &str) -> TaskResult {
    TaskResult {
        name: name.to_owned(),
        ..TaskResult::default()
    }
}

fn container_of(name: &str, fields: Value) -> Container {
    let mut fields = fields;
    fields["name"] = name.into();
    fields["image"] = "example.test/image:1".into();
    serde_json::from_value(fields).unwrap()
}
