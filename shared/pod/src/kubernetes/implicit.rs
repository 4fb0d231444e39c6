//! What every step sees without asking: the directories below `/tekton` and `/workspace`.

use k8s_openapi::api::core::v1::{
    DownwardAPIVolumeFile, DownwardAPIVolumeSource, EmptyDirVolumeSource, HostPathVolumeSource, ImageVolumeSource,
    ObjectFieldSelector, Volume, VolumeMount,
};

use tidemill_messages::plan;

use super::Delivery;

/// Where tasks work: a directory of the pod, workspaces below it by default.
pub const WORKSPACE_PATH: &str = "/workspace";
/// Where task results are written, a file each.
pub const RESULTS_PATH: &str = "/tekton/results";
/// Exit codes and results of the steps, a directory each.
pub const STEPS_PATH: &str = "/tekton/steps";
/// Credentials of the step, in memory.
pub const CREDENTIALS_PATH: &str = "/tekton/creds";
/// A home that steps may use; `HOME` is not set to it.
pub const HOME_PATH: &str = "/tekton/home";
/// Artifacts the task declares.
pub const ARTIFACTS_PATH: &str = "/tekton/artifacts";
/// Scripts, written by the step binary before it runs them.
pub const SCRIPTS_PATH: &str = "/tekton/scripts";
/// The step binary's directory.
pub const BINARY_DIRECTORY: &str = "/tekton/bin";
/// The step binary.
pub const BINARY_PATH: &str = "/tekton/bin/tidemill-step";
/// Where the plan appears as the file `plan`, in pods of Kubernetes.
pub const DOWNWARD_PATH: &str = "/tekton/downward";

/// Where the containers of the steps pass the turn on.
pub const RUN_PATH: &str = "/tekton/run";
/// What steps share below it, for writing: home, results, artifacts, scripts, turns. One volume, since each
/// costs a kubelet as much as several mounts; the step binary makes the directories in it.
pub const SHARED_PATH: &str = "/tekton";

const WORKSPACE: &str = "tidemill-workspace";
const SHARED: &str = "tidemill-tekton";
const STEP: &str = "tidemill-step";
const SIDECAR_SCRIPTS: &str = "tidemill-sidecar-scripts";
const BINARY: &str = "tidemill-bin";
const DOWNWARD: &str = "tidemill-downward";
const CREDENTIALS: &str = "tidemill-creds";

/// What a pod needs below the implicit mounts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// Its steps.
    pub(crate) steps: usize,
    /// Steps get credentials: each its own, in memory, as they may run as different users.
    pub(crate) credentials: bool,
    /// A sidecar has a script.
    pub(crate) sidecar_scripts: bool,
}

/// The volumes behind the implicit mounts.
pub(crate) fn volumes(needs: Needs, delivery: &Delivery) -> Vec<Volume> {
    let mut volumes = vec![empty_dir(WORKSPACE, None), empty_dir(SHARED, None)];
    for position in 0..needs.steps {
        volumes.push(empty_dir(&of(STEP, position), None));
        if needs.credentials {
            volumes.push(empty_dir(&of(CREDENTIALS, position), Some("Memory")));
        }
    }
    if needs.sidecar_scripts {
        volumes.push(empty_dir(SIDECAR_SCRIPTS, None));
    }
    volumes.extend([binary(delivery), downward()]);
    volumes
}

/// The implicit mounts of step `position`, where `containers` are the names of all steps'
/// containers. Each step may write its own directory below [`STEPS_PATH`] and read the others'.
pub(crate) fn step_mounts(position: usize, containers: &[String], needs: Needs) -> Vec<VolumeMount> {
    let mut mounts = vec![mount(WORKSPACE, WORKSPACE_PATH), mount(SHARED, SHARED_PATH)];
    for (other, container) in containers.iter().enumerate() {
        mounts.push(VolumeMount {
            read_only: (other != position).then_some(true),
            ..mount(&of(STEP, other), &format!("{STEPS_PATH}/{container}"))
        });
    }
    if needs.credentials {
        mounts.push(mount(&of(CREDENTIALS, position), CREDENTIALS_PATH));
    }
    mounts.extend(binary_mounts());
    mounts
}

/// The implicit mounts of a sidecar with a script.
pub(crate) fn sidecar_mounts() -> Vec<VolumeMount> {
    let mut mounts = vec![mount(SIDECAR_SCRIPTS, SCRIPTS_PATH)];
    mounts.extend(binary_mounts());
    mounts
}

/// The binary's directory for the container that copies it, which may write there.
pub(crate) fn copy_mount() -> VolumeMount {
    mount(BINARY, BINARY_DIRECTORY)
}

fn binary_mounts() -> [VolumeMount; 2] {
    [(BINARY, BINARY_DIRECTORY), (DOWNWARD, DOWNWARD_PATH)].map(|(name, path)| VolumeMount {
        read_only: Some(true),
        ..mount(name, path)
    })
}

fn binary(delivery: &Delivery) -> Volume {
    match delivery {
        Delivery::HostPath { path } => Volume {
            name: BINARY.to_owned(),
            host_path: Some(HostPathVolumeSource {
                path: path.clone(),
                type_: Some("Directory".to_owned()),
            }),
            ..Volume::default()
        },
        Delivery::Copy { .. } => empty_dir(BINARY, None),
        Delivery::Image { reference } => Volume {
            name: BINARY.to_owned(),
            image: Some(ImageVolumeSource {
                pull_policy: Some("IfNotPresent".to_owned()),
                reference: Some(reference.clone()),
            }),
            ..Volume::default()
        },
    }
}

fn downward() -> Volume {
    let plan = DownwardAPIVolumeFile {
        path: "plan".to_owned(),
        field_ref: Some(ObjectFieldSelector {
            api_version: None,
            field_path: format!("metadata.annotations['{}']", plan::ANNOTATION),
        }),
        ..DownwardAPIVolumeFile::default()
    };
    Volume {
        name: DOWNWARD.to_owned(),
        downward_api: Some(DownwardAPIVolumeSource {
            default_mode: None,
            items: Some(vec![plan]),
        }),
        ..Volume::default()
    }
}

fn of(volume: &str, position: usize) -> String {
    format!("{volume}-{position}")
}

fn empty_dir(name: &str, medium: Option<&str>) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: medium.map(str::to_owned),
            size_limit: None,
        }),
        ..Volume::default()
    }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}
