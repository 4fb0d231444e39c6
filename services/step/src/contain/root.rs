//! What a container sees: the host's programs, and Tekton's places where Tekton has them.
//!
//! The root is a file system in memory with every top-level entry of the host mounted into it, except
//! those Tekton needs for itself: `/tekton`, `/workspace`, `/tmp`, `/dev/shm`. `/proc` shows the
//! attempt's processes only.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, geteuid, pivot_root};

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
}

impl Root {
    /// Begins with what is the same for every container: needs nothing of the attempt, and so is done
    /// before there is one. `memory` is the part of the attempt that lies in memory.
    pub(super) fn begin(memory: &Path) -> Result<Self, Error> {
        unshare(CloneFlags::CLONE_NEWNS).doing(|| "make the container's mount namespace")?;
        let path = memory.join("root");
        fill(&path)?;
        super::mount::memory(&path.join("dev/shm"), "mode=1777")?;
        close_kernel(&path)?;
        Ok(Self { path })
    }

    /// Builds what is the container's own, and enters it.
    pub(super) fn build(self, build: &Build) -> Result<(), Error> {
        let covers = covers(build)?;
        let outside = build.mounts.iter().map(open_outside).collect::<Result<Vec<_>, _>>()?;
        let own = open_own(build)?;
        chdir(&self.path).doing(|| "enter the container's root")?;
        pivot_root(".", ".").doing(|| "change the root")?;
        for (source, target, read_only) in &own {
            if *read_only {
                source.bind_read_only(target)?
            } else {
                source.bind(target)?
            }
        }
        for (source, target) in &covers {
            // A path that only the host has (below its /tmp) is hidden as it is.
            if target.exists() {
                source.bind(target)?;
            }
        }
        let mut places = Places::new(OWN.iter().map(|name| Path::new("/").join(name)).collect());
        for (bound, source) in build.mounts.iter().zip(outside) {
            add(&mut places, bound, source)?;
        }
        places.ensure(&absolute(&build.working_directory)?, true)?;
        leave_host()
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

/// An empty directory or file for each hidden one that exists: a program may write there, in vain.
fn covers(build: &Build) -> Result<Vec<(Source, PathBuf)>, Error> {
    let place = build.memory.join("hidden").join(build.position.to_string());
    let mut covers = Vec::new();
    for (number, path) in build.hidden.iter().enumerate() {
        let Ok(found) = fs::metadata(path) else { continue };
        fs::create_dir_all(&place).doing(|| format!("make {}", place.display()))?;
        let cover = place.join(number.to_string());
        if found.is_dir() {
            // It is there when another process of this container's has failed before.
            fs::create_dir_all(&cover).doing(|| format!("make {}", cover.display()))?;
        } else {
            super::mount::touch(&cover)?;
        }
        let mode = fs::Permissions::from_mode(if found.is_dir() { 0o700 } else { 0o600 });
        fs::set_permissions(&cover, mode).doing(|| format!("set the mode of {}", cover.display()))?;
        covers.push((Source::open(&cover)?, path.clone()));
    }
    Ok(covers)
}

fn open_outside(bound: &Bound) -> Result<Option<Source>, Error> {
    if bound.inside {
        return Ok(None);
    }
    Source::open(&bound.source)?.part(&bound.mount.sub_path).map(Some)
}

/// Tekton's places: source, target, read only.
fn open_own(build: &Build) -> Result<Vec<(Source, PathBuf, bool)>, Error> {
    let (directory, position) = (&build.directory, build.position.to_string());
    let tekton = build.memory.join("tekton");
    let mut own = vec![
        (tekton.clone(), PathBuf::from("/tekton"), true),
        (directory.join(format!("tmp-{position}")), PathBuf::from("/tmp"), false),
        (
            build.memory.join("creds").join(&position),
            PathBuf::from("/tekton/creds"),
            false,
        ),
    ];
    if !build.sidecar {
        own.push((directory.join("workspace"), PathBuf::from("/workspace"), false));
        let run = Path::new("run").join(&position);
        own.push((tekton.join(&run), Path::new("/tekton").join(run), false));
        for name in WRITABLE {
            own.push((tekton.join(name), Path::new("/tekton").join(name), false));
        }
        if directory.join("home").exists() {
            own.push((directory.join("home"), PathBuf::from("/tekton/home"), false));
        }
    }
    let opened = own
        .into_iter()
        .map(|(from, to, read_only)| Ok((Source::open(&from)?, to, read_only)));
    opened.collect()
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
