//! Mount points in `/workspace` that an attempt finds.
//!
//! To make a directory on a disk is a good part of what a small task costs: ext4 searches long for a number that was not
//! free a moment ago. So the mount points of workspaces stay in the directory that goes to the next attempt, which often
//! has the same.

use std::fs;
use std::path::Path;

use tidemill_messages::sandbox::{Mount, Sandbox, Source};

use crate::error::{Doing, Error};

/// Removes those below `workspace` that some step of `sandbox` would not have had made.
pub(super) fn keep(workspace: &Path, sandbox: &Sandbox) -> Result<(), Error> {
    let entries = fs::read_dir(workspace).doing(|| format!("list {}", workspace.display()))?;
    for entry in entries {
        let path = entry.doing(|| format!("list {}", workspace.display()))?.path();
        let place = Path::new("/workspace").join(path.file_name().unwrap_or_default());
        let is_wanted = sandbox.steps.iter().all(|step| {
            let mut mounts = step.container.mounts.iter();
            mounts.any(|mount| Path::new(&mount.path) == place && is_directory(mount, sandbox))
        });
        if !is_wanted {
            fs::remove_dir(&path).doing(|| format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Whether what is mounted is a directory whatever is in the volume.
fn is_directory(mount: &Mount, sandbox: &Sandbox) -> bool {
    let volume = sandbox.volumes.iter().find(|volume| volume.name == mount.volume);
    let is_whole = mount.sub_path.is_empty();
    is_whole && volume.is_some_and(|volume| !matches!(volume.source, Source::HostPath(_) | Source::Mounted(_)))
}
