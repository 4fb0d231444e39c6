//! The part of an attempt that lies in memory.
//!
//! It is a file system that only the attempt's processes have: fast, never on the disk, and gone with the
//! last of them. It is made before the attempt is known, so that the first container's process, which
//! sees the mounts as they were when it came into being, can be started ahead too.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::error::{Doing, Error};

/// Size of the file system that holds `/tekton`, results and files of Secrets.
const BYTES: u64 = 128 << 20;
/// Directories any user of a container may write, as Kubernetes makes them.
pub(super) const OPEN: u32 = 0o777;
/// What only the attempt's own processes fill.
const CLOSED: [&str; 11] = [
    "root",
    "tekton",
    "creds",
    "hidden",
    "volumes",
    "tekton/steps",
    "tekton/scripts",
    "tekton/bin",
    "tekton/run",
    "tekton/downward",
    "tekton/creds",
];
const WRITABLE: [&str; 3] = ["tekton/results", "tekton/artifacts", "tekton/home"];

/// The file system, laid out as a container's process expects it.
pub(super) struct Memory {
    place: PathBuf,
}

impl Memory {
    /// Mounts it over `place`, an empty directory that all supervisors use, each in its own namespace.
    pub(super) fn make(place: &Path) -> Result<Self, Error> {
        mount_at(place, BYTES, 0o755)?;
        for name in CLOSED {
            make(&place.join(name), 0o755)?;
        }
        for name in WRITABLE {
            make(&place.join(name), OPEN)?;
        }
        write(&place.join("tekton/downward/ready"), b"READY", 0o644)?;
        let place = place.to_owned();
        Ok(Self { place })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.place
    }

    /// Takes it away, when nothing runs in it any more.
    pub(super) fn clear(&self) -> Result<(), Error> {
        umount2(&self.place, MntFlags::MNT_DETACH).doing(|| "take an attempt's memory away")
    }
}

/// Mounts a file system in memory; of 0 bytes it has the kernel's own limit, half of the memory.
pub(super) fn mount_at(place: &Path, bytes: u64, mode: u32) -> Result<(), Error> {
    let size = if bytes == 0 {
        String::new()
    } else {
        format!("size={bytes},")
    };
    let options = format!("{size}mode={mode:o}");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), place, Some("tmpfs"), flags, Some(options.as_str()))
        .doing(|| format!("mount a tmpfs at {}", place.display()))
}

/// Makes a directory, unless it is there.
pub(super) fn make(path: &Path, mode: u32) -> Result<(), Error> {
    let made = DirBuilder::new().mode(mode).create(path);
    match made {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.doing(|| format!("make {}", path.display())),
    }
}

/// Makes a file with its content.
pub(super) fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.doing(|| format!("make {}", path.display()))?;
    file.write_all(content).doing(|| format!("write {}", path.display()))?;
    file.set_permissions(Permissions::from_mode(mode))
        .doing(|| format!("set the mode of {}", path.display()))
}
