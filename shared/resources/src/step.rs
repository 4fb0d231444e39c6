//! The containers of a task: steps, sidecars and their template.

use k8s_openapi::api::core::v1::{
    ContainerPort, EnvFromSource, EnvVar, Lifecycle, Probe, ResourceRequirements, SecurityContext, VolumeDevice,
    VolumeMount,
};

use crate::duration::Duration;
use crate::param::{Param, ParamSpec};
use crate::pipeline::WhenExpression;
use crate::task::TaskResult;
use crate::workspace::WorkspaceUsage;

mod on_error;

pub use on_error::OnError;

record! {
    /// A file that a stream is copied to.
    pub struct OutputConfig {
        /// Absolute path in the container.
        pub path: String,
    }

    /// A StepAction by name or through a resolver.
    pub struct StepRef {
        /// Name of the StepAction in the run's namespace.
        pub name: String,
        /// Resolver, such as `git`.
        pub resolver: String,
        /// Parameters of the resolver.
        pub params: Vec<Param>,
    }

    /// One program of a task. Steps run one after the other.
    pub struct Step {
        /// Name, a DNS label; unnamed steps are known by their position.
        pub name: String,
        /// Prose.
        pub display_name: String,
        /// Image; set aside by backends without images.
        pub image: String,
        /// Program and its first arguments; excludes `script`.
        pub command: Vec<String>,
        /// Arguments.
        pub args: Vec<String>,
        /// Working directory; relative ones are below `/workspace`.
        pub working_dir: String,
        /// Sources of variables.
        pub env_from: Vec<EnvFromSource>,
        /// Variables.
        pub env: Vec<EnvVar>,
        /// Requests and limits.
        pub compute_resources: Option<ResourceRequirements>,
        /// Mounts of the task's volumes.
        pub volume_mounts: Vec<VolumeMount>,
        /// Block devices.
        pub volume_devices: Vec<VolumeDevice>,
        /// `Always`, `IfNotPresent` or `Never`.
        pub image_pull_policy: String,
        /// Identity and privileges.
        pub security_context: Option<SecurityContext>,
        /// Text of a program; `/bin/sh` with `set -e` unless it starts with `#!`.
        pub script: String,
        /// Time limit; absent or zero means none.
        pub timeout: Option<Duration>,
        /// Workspaces only the containers that list them see.
        pub workspaces: Vec<WorkspaceUsage>,
        /// What a failure does to the task.
        pub on_error: Option<OnError>,
        /// Copy of the standard output.
        pub stdout_config: Option<OutputConfig>,
        /// Copy of the standard error.
        pub stderr_config: Option<OutputConfig>,
        /// StepAction to take the program from.
        #[serde(rename = "ref")]
        pub reference: Option<StepRef>,
        /// Parameters of the StepAction.
        pub params: Vec<Param>,
        /// Results this step writes.
        pub results: Vec<TaskResult>,
        /// Guards, all of which must hold.
        pub when: Vec<WhenExpression>,
    }

    /// A program that runs beside all steps.
    pub struct Sidecar {
        /// Name, a DNS label.
        pub name: String,
        /// Image; set aside by backends without images.
        pub image: String,
        /// Program and its first arguments; excludes `script`.
        pub command: Vec<String>,
        /// Arguments.
        pub args: Vec<String>,
        /// Working directory.
        pub working_dir: String,
        /// Ports it listens on.
        pub ports: Vec<ContainerPort>,
        /// Sources of variables.
        pub env_from: Vec<EnvFromSource>,
        /// Variables.
        pub env: Vec<EnvVar>,
        /// Requests and limits.
        pub compute_resources: Option<ResourceRequirements>,
        /// Mounts of the task's volumes.
        pub volume_mounts: Vec<VolumeMount>,
        /// Block devices.
        pub volume_devices: Vec<VolumeDevice>,
        /// Restarts it when it fails.
        pub liveness_probe: Option<Probe>,
        /// Holds the first step back until it succeeds.
        pub readiness_probe: Option<Probe>,
        /// Delays the other probes.
        pub startup_probe: Option<Probe>,
        /// Hooks.
        pub lifecycle: Option<Lifecycle>,
        /// Where its last message is read from.
        pub termination_message_path: String,
        /// How its last message is found.
        pub termination_message_policy: String,
        /// `Always`, `IfNotPresent` or `Never`.
        pub image_pull_policy: String,
        /// Identity and privileges.
        pub security_context: Option<SecurityContext>,
        /// Whether an input is kept open.
        pub stdin: bool,
        /// Whether the input closes after the first client.
        pub stdin_once: bool,
        /// Whether it has a terminal.
        pub tty: bool,
        /// Text of a program.
        pub script: String,
        /// Workspaces only the containers that list them see.
        pub workspaces: Vec<WorkspaceUsage>,
        /// `Always` makes it a native sidecar.
        pub restart_policy: Option<String>,
    }

    /// What all steps of a task have in common; a step's own fields win.
    pub struct StepTemplate {
        /// Image.
        pub image: String,
        /// Program and its first arguments.
        pub command: Vec<String>,
        /// Arguments.
        pub args: Vec<String>,
        /// Working directory.
        pub working_dir: String,
        /// Sources of variables.
        pub env_from: Vec<EnvFromSource>,
        /// Variables, merged by name.
        pub env: Vec<EnvVar>,
        /// Requests and limits.
        pub compute_resources: Option<ResourceRequirements>,
        /// Mounts, merged by path.
        pub volume_mounts: Vec<VolumeMount>,
        /// Block devices.
        pub volume_devices: Vec<VolumeDevice>,
        /// `Always`, `IfNotPresent` or `Never`.
        pub image_pull_policy: String,
        /// Identity and privileges.
        pub security_context: Option<SecurityContext>,
    }

    /// A reusable step.
    pub struct StepActionSpec {
        /// Prose.
        pub description: String,
        /// Image.
        pub image: String,
        /// Program and its first arguments; excludes `script`.
        pub command: Vec<String>,
        /// Arguments.
        pub args: Vec<String>,
        /// Variables.
        pub env: Vec<EnvVar>,
        /// Text of a program.
        pub script: String,
        /// Working directory.
        pub working_dir: String,
        /// Parameters.
        pub params: Vec<ParamSpec>,
        /// Results it writes.
        pub results: Vec<TaskResult>,
        /// Identity and privileges.
        pub security_context: Option<SecurityContext>,
        /// Mounts of the task's volumes.
        pub volume_mounts: Vec<VolumeMount>,
    }
}
