//! The containers of steps and sidecars, as the user wrote them.

use k8s_openapi::api::core::v1::{Container, EnvVar, ResourceRequirements, VolumeMount};
use tidemill_messages::trace::Span;
use tidemill_messages::{StartTask, Traceparent};
use tidemill_resources::step::{Sidecar, Step};

use crate::template::{filled, merge_env};
use crate::workspace::Workspaces;
use crate::{Error, Options, names, resources};

/// Annotation of a TaskRun whose steps must not reach the network.
const ANNOTATION_EXECUTION_MODE: &str = "experimental.tekton.dev/execution-mode";

/// What all containers of a pod have in common.
pub(crate) struct Common<'a> {
    pub(crate) command: &'a StartTask,
    pub(crate) options: &'a Options,
    pub(crate) workspaces: &'a Workspaces,
    /// Variables of the pod template that may be set.
    pub(crate) template_env: &'a [EnvVar],
}

impl Common<'_> {
    /// The containers of the steps, in order.
    pub(crate) fn steps(&self) -> Result<Vec<Container>, Error> {
        let spec = &self.command.spec;
        let resources = resources::of_steps(
            &spec.steps,
            &self.command.step_specs,
            self.command.compute_resources.as_ref(),
        )?;
        let steps = spec.steps.iter().zip(resources).enumerate();
        steps
            .map(|(position, (step, resources))| self.step(position, step, resources))
            .collect()
    }

    /// The containers of the sidecars, in order: init containers that go on running.
    pub(crate) fn sidecars(&self) -> Result<Vec<Container>, Error> {
        let sidecars = self.command.spec.sidecars.iter().enumerate();
        sidecars
            .map(|(position, sidecar)| self.sidecar(position, sidecar))
            .collect()
    }

    fn step(&self, position: usize, step: &Step, resources: Option<ResourceRequirements>) -> Result<Container, Error> {
        let name = names::step_container(&step.name, position);
        let mounts = overlay(self.workspaces.mounts(&name, &step.workspaces)?, &step.volume_mounts);
        Ok(Container {
            image: filled(step.image.clone()),
            image_pull_policy: self.pull_policy(&step.image_pull_policy),
            command: filled(step.command.clone()),
            args: filled(step.args.clone()),
            env: filled(self.step_env(&name, &step.env)),
            env_from: filled(step.env_from.clone()),
            working_dir: filled(step.working_dir.clone()),
            resources,
            volume_mounts: filled(mounts),
            volume_devices: filled(step.volume_devices.clone()),
            security_context: step.security_context.clone(),
            name,
            ..Container::default()
        })
    }

    fn sidecar(&self, position: usize, sidecar: &Sidecar) -> Result<Container, Error> {
        let name = names::sidecar_container(&sidecar.name, position);
        let mounts = overlay(
            self.workspaces.mounts(&name, &sidecar.workspaces)?,
            &sidecar.volume_mounts,
        );
        Ok(Container {
            image: filled(sidecar.image.clone()),
            image_pull_policy: self.pull_policy(&sidecar.image_pull_policy),
            command: filled(sidecar.command.clone()),
            args: filled(sidecar.args.clone()),
            env: filled(sidecar.env.clone()),
            env_from: filled(sidecar.env_from.clone()),
            working_dir: filled(sidecar.working_dir.clone()),
            ports: filled(sidecar.ports.clone()),
            resources: resources::of_sidecar(sidecar, &self.command.sidecar_specs),
            volume_mounts: filled(mounts),
            volume_devices: filled(sidecar.volume_devices.clone()),
            liveness_probe: sidecar.liveness_probe.clone(),
            readiness_probe: sidecar.readiness_probe.clone(),
            startup_probe: sidecar.startup_probe.clone(),
            lifecycle: sidecar.lifecycle.clone(),
            termination_message_path: filled(sidecar.termination_message_path.clone()),
            termination_message_policy: filled(sidecar.termination_message_policy.clone()),
            security_context: sidecar.security_context.clone(),
            stdin: filled(sidecar.stdin),
            stdin_once: filled(sidecar.stdin_once),
            tty: filled(sidecar.tty),
            restart_policy: Some("Always".to_owned()),
            name,
            ..Container::default()
        })
    }

    fn step_env(&self, container: &str, own: &[EnvVar]) -> Vec<EnvVar> {
        let mut implicit = Vec::new();
        if let Some(context) = self.step_context(container) {
            implicit.push(variable("TRACEPARENT", &context.to_string()));
        }
        let mut env = merge_env(&merge_env(&implicit, own), self.template_env);
        let mode = self.command.task_run.annotations.get(ANNOTATION_EXECUTION_MODE);
        if mode.is_some_and(|mode| mode == "hermetic") {
            env = merge_env(&env, &[variable("TEKTON_HERMETIC", "1")]);
        }
        env
    }

    /// The step's own span: what it traces itself hangs below it.
    fn step_context(&self, container: &str) -> Option<Traceparent> {
        let attempt: Traceparent = self.command.traceparent.as_ref()?.parse().ok()?;
        Some(attempt.span(Span::Step {
            uid: &self.command.run.uid,
            task: &self.command.task,
            attempt: self.command.attempt,
            step: container,
        }))
    }

    fn pull_policy(&self, own: &str) -> Option<String> {
        filled(own.to_owned()).or_else(|| self.options.image_pull_policy.clone())
    }
}

/// `base` and `own` mounts; one of `base` at the same path gives way.
pub(crate) fn overlay(base: Vec<VolumeMount>, own: &[VolumeMount]) -> Vec<VolumeMount> {
    let taken: Vec<&str> = own.iter().map(path_of).collect();
    let mut mounts = base;
    mounts.retain(|mount| !taken.contains(&path_of(mount)));
    mounts.extend_from_slice(own);
    mounts
}

fn path_of(mount: &VolumeMount) -> &str {
    match mount.mount_path.trim_end_matches('/') {
        "" => "/",
        path => path,
    }
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    }
}
