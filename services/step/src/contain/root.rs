//! What a container sees: the host's programs, and Tekton's places where Tekton has them.
//!
//! The root is a file system in memory with every top-level entry of the host mounted into it, except
//! those Tekton needs for itself: `/tekton`, `/workspace`, `/tmp`, `/dev/shm`. `/proc` shows the
//! attempt's processes only.

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, geteuid, pivot_root};

use super::cover::Covers;
use super::mirror::{Places, absolute, copy_entry};
use super::mount::{Source, memory};
use super::order::{Bound, Build};
use crate::error::{Doing, Error};

const NOTHING: Option<&str> = None;
/// Top-level entries that are not the host's.
const OWN: [&str; 3] = ["tekton", "workspace", "tmp"];
/// Directories below `/tekton` that a step may write, beside its own in `run`.
const WRITABLE: [&str; 3] = ["results", "home", "artifacts"];

/// Where root could change the host's kernel.
const KERNEL: [&str; 4] = ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"];

/// A root that is not entered yet.
pub(super) struct Root {
    path: PathBuf,
    covers: Covers,
    /// The step whose places below `/tekton` are in it.
    position: Option<usize>,
}

impl Root {
    /// Begins with what is the same for every container, or every step at `position`: needs nothing of the attempt, and
    /// so is done before there is one. `memory` is the part of the attempt that lies in memory; most likely `hidden` is
    /// to be covered.
    pub(super) fn begin(memory: &Path, position: Option<usize>, hidden: &[PathBuf]) -> Result<Self, Error> {
        unshare(CloneFlags::CLONE_NEWNS).doing(|| "make the container's mount namespace")?;
        let path = memory.join("root");
        fill(&path)?;
        super::mount::memory(&path.join("dev/shm"), "mode=1777")?;
        close_kernel(&path)?;
        if let Some(position) = position {
            for (from, to, read_only) in tekton_places(memory, position, false) {
                let inside = path.join(to.strip_prefix("/").unwrap_or(&to));
                mount_own(&Source::open(&from)?, &inside, read_only)?;
            }
        }
        let mut covers = Covers::new(memory.join("hidden").join(std::process::id().to_string()));
        covers.make(hidden)?;
        covers.begin(&path)?;
        Ok(Self { path, covers, position })
    }

    /// Builds what is the container's own, and enters it.
    pub(super) fn build(mut self, build: &Build) -> Result<(), Error> {
        self.covers.make(&build.hidden)?;
        let outside = build.mounts.iter().map(open_outside).collect::<Result<Vec<_>, _>>()?;
        let own = self.open_own(build)?;
        chdir(&self.path).doing(|| "enter the container's root")?;
        pivot_root(".", ".").doing(|| "change the root")?;
        for (source, target, read_only) in &own {
            mount_own(source, target, *read_only)?;
        }
        self.covers.complete()?;
        let mut places = Places::new(OWN.iter().map(|name| Path::new("/").join(name)).collect());
        for (bound, source) in build.mounts.iter().zip(outside) {
            add(&mut places, bound, source)?;
        }
        places.ensure(&absolute(&build.working_directory)?, true)?;
        leave_host()
    }

    /// The container's own places that are not in it yet: source, target, read only.
    fn open_own(&self, build: &Build) -> Result<Vec<(Source, PathBuf, bool)>, Error> {
        let (directory, position) = (&build.directory, build.position);
        let mut own = match self.position {
            Some(begun) if begun == position && !build.sidecar => Vec::new(),
            // Those of another lie below these from now on.
            _ => tekton_places(&build.memory, position, build.sidecar),
        };
        own.push((directory.join(format!("tmp-{position}")), PathBuf::from("/tmp"), false));
        if !build.sidecar {
            own.push((directory.join("workspace"), PathBuf::from("/workspace"), false));
            if directory.join("home").exists() {
                own.push((directory.join("home"), PathBuf::from("/tekton/home"), false));
            }
        }
        let opened = own
            .into_iter()
            .map(|(from, to, read_only)| Ok((Source::open(&from)?, to, read_only)));
        opened.collect()
    }
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

fn open_outside(bound: &Bound) -> Result<Option<Source>, Error> {
    if bound.inside {
        return Ok(None);
    }
    Source::open(&bound.source)?.part(&bound.mount.sub_path).map(Some)
}

/// Tekton's places in memory for the container at `position`: source, target, read only.
fn tekton_places(memory: &Path, position: usize, sidecar: bool) -> Vec<(PathBuf, PathBuf, bool)> {
    let (tekton, position) = (memory.join("tekton"), position.to_string());
    let creds = (
        memory.join("creds").join(&position),
        PathBuf::from("/tekton/creds"),
        false,
    );
    let mut places = vec![(tekton.clone(), PathBuf::from("/tekton"), true), creds];
    if !sidecar {
        let run = Path::new("run").join(&position);
        places.push((tekton.join(&run), Path::new("/tekton").join(run), false));
        for name in WRITABLE {
            places.push((tekton.join(name), Path::new("/tekton").join(name), false));
        }
    }
    places
}

fn mount_own(source: &Source, target: &Path, read_only: bool) -> Result<(), Error> {
    if read_only {
        source.bind_read_only(target)
    } else {
        source.bind(target)
    }
}

/// Fills a file system in memory at `root` with the host's entries. What is held open of the host can
/// still be mounted from, until [`leave_host`].
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

/// Takes the host's root away: since [`Root::build`] it lies over the new one, where no path leads.
fn leave_host() -> Result<(), Error> {
    umount2(".", MntFlags::MNT_DETACH).doing(|| "leave the host's root")?;
    chdir("/").doing(|| "enter the container's root")
}

/// What a container sees at `path`. What it does not see there is asked for in vain however often.
fn open_inside(path: &Path) -> Result<Source, Error> {
    if path.exists() {
        return Source::open(path);
    }
    let above = OWN.iter().find(|own| path.starts_with(Path::new("/").join(own)));
    Err(Error::task(match above {
        Some(own) => format!(
            "hostPath `{}` is not seen in a container, which has a /{own} of its own; use a directory elsewhere",
            path.display()
        ),
        None => format!(
            "hostPath `{}` is not there, or not to be seen; make it, or use another",
            path.display()
        ),
    }))
}

/// Makes one mount of the pod.
fn add(places: &mut Places, bound: &Bound, source: Option<Source>) -> Result<(), Error> {
    let target = absolute(Path::new(&bound.mount.path))?;
    let source = match source {
        Some(source) => source,
        None => open_inside(&absolute(&bound.source)?)?.part(&bound.mount.sub_path)?,
    };
    places.ensure(&target, source.is_directory()?)?;
    if bound.mount.read_only {
        source.bind_read_only(&target)?;
    } else {
        source.bind(&target)?;
    }
    places.add(target);
    Ok(())
}
