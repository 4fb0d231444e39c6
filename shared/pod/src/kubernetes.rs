//! What a pod needs beyond the user's words to be run by Kubernetes: the directories that steps see
//! without asking, and the step binary in front of each step.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, VolumeMount};
use serde::{Deserialize, Serialize};
use tidemill_messages::plan::Plan;

use crate::Error;
use crate::container::overlay;

pub mod implicit;

use implicit::{BINARY_DIRECTORY, BINARY_PATH, Needs, WORKSPACE_PATH};

/// How the step binary gets into the pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Delivery {
    /// From a directory of the node, filled by a DaemonSet.
    HostPath {
        /// The directory that holds `tidemill-step`.
        path: String,
    },
    /// Copied by an init container.
    Copy {
        /// Image with `/tidemill-step`.
        image: String,
    },
    /// From an image mounted as a volume.
    Image {
        /// Image with `tidemill-step` in its root directory.
        reference: String,
    },
}

/// Makes `pod`, as [`crate::build`] made it, ready for Kubernetes. A step that has neither command
/// nor script needs its image's entrypoint: the caller writes it into the container before.
///
/// The pod has then no directory for `/tekton` but what is mounted there; a relative `workingDir` is made by
/// the container runtime.
///
/// Each step's container runs `tidemill-step step <container> -- <command> <args>`, a sidecar with a
/// script `tidemill-step sidecar <container> -- <args>`; scripts are in the plan, which appears as
/// a file in [`implicit::DOWNWARD_PATH`].
///
/// `credentials` says whether the steps get any.
///
/// # Errors
/// [`Error::Plan`] if the pod holds no plan that can be read.
pub fn deliver(pod: &mut Pod, delivery: &Delivery, credentials: bool) -> Result<(), Error> {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let plan = Plan::of(pod).map_err(|source| Error::Plan {
        task: name,
        source: Some(source),
    })?;
    let plan = plan.ok_or_else(|| Error::Plan {
        task: pod.metadata.name.clone().unwrap_or_default(),
        source: None,
    })?;
    let Some(spec) = &mut pod.spec else { return Ok(()) };
    let names: Vec<String> = plan.steps.iter().map(|step| step.container.clone()).collect();
    let needs = Needs {
        steps: names.len(),
        credentials,
        sidecar_scripts: plan.sidecars.iter().any(|sidecar| sidecar.script.is_some()),
    };
    for (position, container) in spec.containers.iter_mut().enumerate() {
        let mounts = implicit::step_mounts(position, &names, needs);
        front("step", container, mounts);
    }
    for sidecar in spec.init_containers.iter_mut().flatten() {
        absolute_working_dir(sidecar);
        let planned = plan.sidecars.iter().find(|planned| planned.container == sidecar.name);
        if planned.is_some_and(|planned| planned.script.is_some()) {
            front("sidecar", sidecar, implicit::sidecar_mounts());
        }
    }
    add_volumes(spec, needs, delivery);
    Ok(())
}

/// Puts the step binary in front of what the container runs.
fn front(mode: &str, container: &mut Container, implicit: Vec<VolumeMount>) {
    absolute_working_dir(container);
    let mut args = vec![mode.to_owned(), container.name.clone(), "--".to_owned()];
    args.extend(container.command.take().unwrap_or_default());
    args.extend(container.args.take().unwrap_or_default());
    container.command = Some(vec![BINARY_PATH.to_owned()]);
    container.args = Some(args);
    let own = container.volume_mounts.take().unwrap_or_default();
    container.volume_mounts = Some(overlay(implicit, &own));
}

fn add_volumes(spec: &mut PodSpec, needs: Needs, delivery: &Delivery) {
    let mut volumes = implicit::volumes(needs, delivery);
    volumes.extend(spec.volumes.take().unwrap_or_default());
    spec.volumes = Some(volumes);
    if let Delivery::Copy { image } = delivery {
        // First: a sidecar with a script needs the binary too.
        spec.init_containers.get_or_insert_default().insert(0, copy(image));
    }
}

fn copy(image: &str) -> Container {
    Container {
        name: "prepare".to_owned(),
        image: Some(image.to_owned()),
        command: Some(vec!["/tidemill-step".to_owned()]),
        args: Some(vec!["install".to_owned(), BINARY_DIRECTORY.to_owned()]),
        volume_mounts: Some(vec![implicit::copy_mount()]),
        ..Container::default()
    }
}

/// A relative directory is below [`WORKSPACE_PATH`]; none leaves the image's.
fn absolute_working_dir(container: &mut Container) {
    let Some(own) = &container.working_dir else { return };
    if !own.starts_with('/') {
        container.working_dir = Some(clean(&format!("{WORKSPACE_PATH}/{own}")));
    }
}

/// The path without `.`, `..` and doubled slashes, as Go's `path.Join` leaves it.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn working_directories_are_joined_as_paths() {
        assert_eq!(clean("/workspace/src/./app//x/"), "/workspace/src/app/x");
        assert_eq!(clean("/workspace/../etc"), "/etc");
        assert_eq!(clean("/workspace/../../.."), "/");
    }
}
