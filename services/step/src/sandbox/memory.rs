//! The part of an attempt that lies in memory.
//!
//! It is a file system that only the attempt's processes have: fast, never on the disk, and gone with the
//! last of them. It is made before the attempt is known, so that the first container's process, which
//! sees the mounts as they were when it came into being, can be started ahead too.
//!
//! In a container of an engine there is none: Tekton's places are made where they are to be seen.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::contain::mount_memory;
use crate::error::{Doing, Error};

const NOTHING: Option<&str> = None;
/// Size of the file system that holds `/tekton`, results and files of Secrets.
const BYTES: u64 = 128 << 20;
/// Directories any user of a container may write, as Kubernetes makes them.
pub(super) const OPEN: u32 = 0o777;
/// Where it is, below the supervisor's place.
const ATTEMPT: &str = "attempt";
/// Steps' own `/tekton/creds`.
const CREDS: &str = "creds";
/// Volumes in memory.
const VOLUMES: &str = "volumes";
/// What only the attempt's own processes fill.
const CLOSED: [&str; 7] = [
    "tekton",
    "tekton/steps",
    "tekton/scripts",
    "tekton/bin",
    "tekton/run",
    "tekton/downward",
    "tekton/creds",
];
const WRITABLE: [&str; 3] = ["tekton/results", "tekton/artifacts", "tekton/home"];

/// The file system, laid out as a container's process expects it.
pub(crate) struct Memory {
    place: PathBuf,
    is_mounted: bool,
}

impl Memory {
    /// Mounts it below `place`, see [`enter`].
    pub(super) fn make(place: &Path) -> Result<Self, Error> {
        let place = place.join(ATTEMPT);
        mount_at(&place, BYTES, 0o755)?;
        make(&place.join(CREDS), 0o755)?;
        let memory = Self {
            place,
            is_mounted: true,
        };
        memory.make_places()?;
        Ok(memory)
    }

    /// None: this process is in a container of an engine, whose root is the place of everything.
    pub(crate) fn of_container() -> Self {
        Self {
            place: PathBuf::from("/"),
            is_mounted: false,
        }
    }

    /// Makes what lies below `/tekton`, for all containers.
    pub(super) fn make_places(&self) -> Result<(), Error> {
        for name in CLOSED {
            make(&self.place.join(name), 0o755)?;
        }
        for name in WRITABLE {
            make(&self.place.join(name), OPEN)?;
        }
        write(&self.place.join("tekton/downward/ready"), b"READY", 0o644)
    }

    /// Makes what is of the step at `position` alone, unless that was done.
    pub(super) fn make_step(&self, position: usize) -> Result<(), Error> {
        let run = self.place.join(format!("tekton/run/{position}"));
        if self.is_mounted {
            if run.exists() {
                return Ok(());
            }
            make(&self.place.join(CREDS).join(position.to_string()), OPEN)?;
        }
        for part in ["", "status", "status/results"] {
            make(&run.join(part), OPEN)?;
        }
        Ok(())
    }

    /// Makes the place of a volume that lies in it.
    pub(super) fn make_volume(&self, name: &str, mode: u32) -> Result<(), Error> {
        make(&self.place.join(VOLUMES), 0o755)?;
        make(&self.volume(name), mode)
    }

    /// Where such a volume is.
    pub(super) fn volume(&self, name: &str) -> PathBuf {
        self.place.join(VOLUMES).join(name)
    }

    /// Whether a container's process has to build what it sees.
    pub(super) fn is_mounted(&self) -> bool {
        self.is_mounted
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.place
    }

    /// Takes it away, when nothing runs in it any more.
    pub(super) fn clear(&self) -> Result<(), Error> {
        if !self.is_mounted {
            return Ok(());
        }
        umount2(&self.place, MntFlags::MNT_DETACH).doing(|| "take an attempt's memory away")
    }
}

/// Mounts a file system in memory over `place`, an empty directory that all supervisors use, each in its own namespace: what is
/// made for the attempts of a supervisor lies there. Nothing of it is mounted elsewhere with the directory it lies in.
pub(super) fn enter(place: &Path) -> Result<(), Error> {
    mount_at(place, BYTES, 0o755)?;
    let unbindable = MsFlags::MS_UNBINDABLE;
    mount(NOTHING, place, NOTHING, unbindable, NOTHING).doing(|| format!("keep {} where it is", place.display()))?;
    make(&place.join(ATTEMPT), 0o755)
}

/// Mounts a file system in memory; of 0 bytes it has the kernel's own limit, half of the memory.
pub(super) fn mount_at(place: &Path, bytes: u64, mode: u32) -> Result<(), Error> {
    let size = if bytes == 0 {
        String::new()
    } else {
        format!("size={bytes},")
    };
    mount_memory(place, &format!("{size}mode={mode:o}"))
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
