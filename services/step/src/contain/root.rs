//! What a container sees: the host's programs, and Tekton's places where Tekton has them.
//!
//! The bare root of the host's entries is filled with the attempt's places, the container's own and its pod's
//! mounts. `/proc` shows the attempt's processes only.

use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, pivot_root};

use super::bare::{Bare, OWN};
use super::mirror::{Places, absolute};
use super::mount::Source;
use super::order::{Bound, Build};
use super::template::Template;
use super::usually_hidden;
use crate::error::{Doing, Error};

/// Directories below `/tekton` that a step may write, beside its own in `run`.
const WRITABLE: [&str; 3] = ["results", "home", "artifacts"];

/// A root that is not entered yet.
pub(super) struct Root {
    bare: Bare,
    /// The step whose places below `/tekton` are in it.
    position: Option<usize>,
}

impl Root {
    /// Begins with what is the same for every container, or every step at `position`: needs nothing of the attempt, and
    /// so is done before there is one. `memory` is the part of the attempt that lies in memory. Without a `template` the
    /// bare root is made there.
    pub(super) fn begin(memory: &Path, position: Option<usize>, template: Option<Template>) -> Result<Self, Error> {
        unshare(CloneFlags::CLONE_NEWNS).doing(|| "make the container's mount namespace")?;
        let covers = memory.join("hidden").join(std::process::id().to_string());
        let bare = match template {
            Some(template) => template.take(covers)?,
            None => Bare::make(memory.join("root"), covers)?,
        };
        if let Some(position) = position {
            for (from, to, read_only) in tekton_places(memory, position, false) {
                let inside = bare.path.join(to.strip_prefix("/").unwrap_or(&to));
                mount_own(&Source::open(&from)?, &inside, read_only)?;
            }
        }
        Ok(Self { bare, position })
    }

    /// Builds what is the container's own, and enters it.
    pub(super) fn build(mut self, build: &Build) -> Result<(), Error> {
        self.bare
            .covers
            .make(build.hidden.as_deref().unwrap_or(usually_hidden()))?;
        let outside = build.mounts.iter().map(open_outside).collect::<Result<Vec<_>, _>>()?;
        let own = self.open_own(build)?;
        chdir(&self.bare.path).doing(|| "enter the container's root")?;
        pivot_root(".", ".").doing(|| "change the root")?;
        for (source, target, read_only) in &own {
            mount_own(source, target, *read_only)?;
        }
        self.bare.covers.complete()?;
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
