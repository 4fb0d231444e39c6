//! What Kubernetes would refuse, said in our words before anything is created.

use k8s_openapi::api::core::v1::{Container, PodSpec};

use crate::Error;

/// Names are unique, and every mount has its volume.
pub(crate) fn pod(spec: &PodSpec) -> Result<(), Error> {
    let volumes: Vec<&str> = spec
        .volumes
        .iter()
        .flatten()
        .map(|volume| volume.name.as_str())
        .collect();
    if let Some(volume) = repeated(&volumes) {
        return Err(Error::DuplicateVolume { volume });
    }
    let containers = || spec.init_containers.iter().flatten().chain(&spec.containers);
    let names: Vec<&str> = containers().map(|container| container.name.as_str()).collect();
    if let Some(container) = repeated(&names) {
        return Err(Error::DuplicateContainer { container });
    }
    containers().try_for_each(|container| mounts(container, &volumes))
}

fn mounts(container: &Container, volumes: &[&str]) -> Result<(), Error> {
    let mut mounts = container.volume_mounts.iter().flatten();
    match mounts.find(|mount| !volumes.contains(&mount.name.as_str())) {
        Some(mount) => Err(Error::UnknownVolume {
            container: container.name.clone(),
            volume: mount.name.clone(),
            path: mount.mount_path.clone(),
        }),
        None => Ok(()),
    }
}

fn repeated(names: &[&str]) -> Option<String> {
    let twice = names
        .iter()
        .enumerate()
        .find(|(position, name)| names[..*position].contains(name));
    twice.map(|(_, name)| (*name).to_owned())
}
