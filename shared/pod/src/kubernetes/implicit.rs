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

const WORKSPACE: &str = "tidemill-workspace";
const HOME: &str = "tidemill-home";
const RESULTS: &str = "tidemill-results";
const STEPS: &str = "tidemill-steps";
const ARTIFACTS: &str = "tidemill-artifacts";
const SCRIPTS: &str = "tidemill-scripts";
const BINARY: &str = "tidemill-bin";
const DOWNWARD: &str = "tidemill-downward";
const CREDENTIALS: &str = "tidemill-creds";

/// Directories all steps share, for writing.
const SHARED: [(&str, &str); 5] = [
    (WORKSPACE, WORKSPACE_PATH),
    (HOME, HOME_PATH),
    (RESULTS, RESULTS_PATH),
    (ARTIFACTS, ARTIFACTS_PATH),
    (SCRIPTS, SCRIPTS_PATH),
];

/// The volumes behind the implicit mounts, for that many steps.
pub(crate) fn volumes(steps: usize, delivery: &Delivery) -> Vec<Volume> {
    let mut volumes: Vec<Volume> = SHARED.iter().map(|(name, _)| empty_dir(name, None)).collect();
    volumes.push(empty_dir(STEPS, None));
    for position in 0..steps {
        volumes.push(empty_dir(&credentials(position), Some("Memory")));
    }
    volumes.extend([binary(delivery), downward()]);
    volumes
}

/// The implicit mounts of step `position`, where `containers` are the names of all steps'
/// containers. Each step may write its own directory below [`STEPS_PATH`] and read the others'.
pub(crate) fn step_mounts(position: usize, containers: &[String]) -> Vec<VolumeMount> {
    let mut mounts: Vec<VolumeMount> = SHARED.iter().map(|(name, path)| mount(name, path)).collect();
    for (other, container) in containers.iter().enumerate() {
        mounts.push(VolumeMount {
            sub_path: Some(container.clone()),
            read_only: (other != position).then_some(true),
            ..mount(STEPS, &format!("{STEPS_PATH}/{container}"))
        });
    }
    mounts.push(mount(&credentials(position), CREDENTIALS_PATH));
    mounts.extend(binary_mounts());
    mounts
}

/// The implicit mounts of a sidecar with a script.
pub(crate) fn sidecar_mounts() -> Vec<VolumeMount> {
    let mut mounts = vec![mount(SCRIPTS, SCRIPTS_PATH)];
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

fn credentials(position: usize) -> String {
    format!("{CREDENTIALS}-{position}")
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
