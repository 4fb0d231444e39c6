//! A root before anything of a container is in it.
//!
//! It is a file system in memory with every top-level entry of the host mounted into it, except those Tekton
//! needs for itself: `/tekton`, `/workspace`, `/tmp`, `/dev/shm`. What must not be seen of the host is covered.

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::unistd::geteuid;

use super::cover::Covers;
use super::mirror::copy_entry;
use super::mount::{Source, memory};
use super::usually_hidden;
use crate::error::{Doing, Error};

const NOTHING: Option<&str> = None;
/// Top-level entries that are not the host's.
pub(super) const OWN: [&str; 3] = ["tekton", "workspace", "tmp"];
/// Where programs share memory.
pub(super) const SHARED_MEMORY: &str = "dev/shm";
/// Where root could change the host's kernel.
const KERNEL: [&str; 4] = ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"];

/// A root that is not entered, and nobody's.
pub(super) struct Bare {
    pub(super) path: PathBuf,
    pub(super) covers: Covers,
}

impl Bare {
    /// Makes it at `path`, with covers over what is most likely to be hidden, which lie in `covers`.
    pub(super) fn make(path: PathBuf, covers: PathBuf) -> Result<Self, Error> {
        fs::create_dir_all(&path).doing(|| format!("make {}", path.display()))?;
        fill(&path)?;
        memory(&path.join(SHARED_MEMORY), "mode=1777")?;
        close_kernel(&path)?;
        let mut covers = Covers::new(covers);
        covers.make(usually_hidden())?;
        covers.begin(&path)?;
        Ok(Self { path, covers })
    }
}

/// Fills a file system in memory at `root` with the host's entries. What is held open of the host can
/// still be mounted from, until the host's root is left.
fn fill(root: &Path) -> Result<(), Error> {
    memory(root, "mode=755")?;
    // Else it would be mounted into itself with the directory it lies in.
    mount(NOTHING, root, NOTHING, MsFlags::MS_UNBINDABLE, NOTHING).doing(|| "keep the root out of itself")?;
    let entries = fs::read_dir("/").doing(|| "list the host's root")?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Ok(kind) = entry.file_type() else { continue };
        if !OWN.iter().any(|own| name == *own) {
            copy_entry(&entry.path(), &root.join(&name), kind)?;
        }
    }
    for name in OWN {
        fs::create_dir(root.join(name)).doing(|| format!("make /{name}"))?;
    }
    Ok(())
}

/// Keeps root from writing the kernel's settings, which are the host's; others may not anyway.
fn close_kernel(root: &Path) -> Result<(), Error> {
    if !geteuid().is_root() {
        return Ok(());
    }
    for path in KERNEL.map(Path::new) {
        let inside = root.join(path.strip_prefix("/").unwrap_or(path));
        if path.exists() && inside.exists() {
            Source::open(path)?.bind_read_only(&inside)?;
        }
    }
    Ok(())
}
