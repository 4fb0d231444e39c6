//! The attempt's directory.
//!
//! What may grow (`workspace`, `tmp-<container>`, `volume-<name>`) lies on the disk, with as few
//! directories as possible: each costs as much as ten mounts. Tekton's small places and
//! the files of Secrets lie in memory.
//!
//! In a container of an engine, Tekton's places are made where they are to be seen, and the volumes are the
//! engine's.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Component, Path, PathBuf};

use tidemill_messages::sandbox::{Container, File, Program, Sandbox, Source, Volume};

use super::memory::{self, Memory, OPEN, make, write};
use super::{mount_points, script};
use crate::contain::Bound;
use crate::error::{Doing, Error};

/// Directory for `/tekton/home`, where it is not in memory.
const DISK_HOME: &str = "home";

/// Where the parts of an attempt lie.
pub(super) struct Layout {
    directory: PathBuf,
    memory: Memory,
}

impl Layout {
    /// Makes everything below the sandbox's directory, and what is the attempt's own in `memory`.
    pub(super) fn make(sandbox: &Sandbox, memory: Memory) -> Result<Self, Error> {
        let layout = Self {
            directory: sandbox.directory.clone(),
            memory,
        };
        if layout.memory.is_mounted() {
            let workspace = sandbox.directory.join("workspace");
            make(&workspace, OPEN)?;
            if sandbox.is_entered {
                mount_points::keep(&workspace, sandbox)?;
            }
            if is_home_mentioned(sandbox) {
                make(&sandbox.directory.join(DISK_HOME), OPEN)?;
            }
        } else {
            layout.memory.make_places()?;
            open_to(Path::new("/workspace"), sandbox.volume_group)?;
        }
        let containers = sandbox.steps.iter().map(|step| &step.container);
        let containers = containers.chain(sandbox.sidecars.iter().map(|sidecar| &sidecar.container));
        for (position, container) in containers.enumerate() {
            layout.make_container(position, container)?;
        }
        for volume in &sandbox.volumes {
            layout.make_volume(volume, sandbox.volume_group)?;
        }
        Ok(layout)
    }

    /// The part in memory.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Where results of the task are written.
    pub(super) fn results(&self) -> PathBuf {
        self.memory.path().join("tekton/results")
    }

    /// What Tekton keeps of a step: its exit code, its results.
    pub(super) fn status(&self, position: usize) -> PathBuf {
        self.memory.path().join(format!("tekton/run/{position}/status"))
    }

    /// Program and arguments before any substitution.
    pub(super) fn argv(&self, position: usize, container: &Container) -> Result<Vec<String>, Error> {
        match &container.program {
            Program::Command(argv) => Ok(argv.clone()),
            Program::Script { text, args } if script::is_runnable(text) => {
                let mut argv = vec![script::path(position)];
                argv.extend(args.iter().cloned());
                Ok(argv)
            }
            Program::Script { .. } => Err(Error::task(script::NOT_RUNNABLE)),
        }
    }

    /// The mounts of a container with the places of their volumes.
    pub(super) fn mounts(&self, sandbox: &Sandbox, container: &Container) -> Result<Vec<Bound>, Error> {
        if !self.memory.is_mounted() {
            return Ok(Vec::new());
        }
        let bound = container.mounts.iter().map(|mount| {
            let volume = sandbox.volumes.iter().find(|volume| volume.name == mount.volume);
            let volume = volume.ok_or_else(|| {
                Error::task(format!(
                    "container {} mounts volume `{}`, which is not there",
                    container.name, mount.volume
                ))
            })?;
            let mut mount = mount.clone();
            mount.read_only |= matches!(volume.source, Source::Files(_));
            Ok(Bound {
                mount,
                source: self.place(volume),
                inside: matches!(volume.source, Source::HostPath(_)),
            })
        });
        bound.collect()
    }

    fn place(&self, volume: &Volume) -> PathBuf {
        match &volume.source {
            Source::Empty => self.directory.join(format!("volume-{}", volume.name)),
            Source::Memory { .. } | Source::Files(_) => self.memory.volume(&volume.name),
            Source::Directory(path) | Source::HostPath(path) | Source::Mounted(path) => path.clone(),
        }
    }

    fn make_container(&self, position: usize, container: &Container) -> Result<(), Error> {
        let memory = self.memory.path();
        if self.memory.is_mounted() {
            make(&self.directory.join(format!("tmp-{position}")), 0o1777)?;
        }
        self.memory.make_step(position)?;
        for name in [container.name.clone(), position.to_string()] {
            let link = memory.join("tekton/steps").join(&name);
            symlink(format!("/tekton/run/{position}/status"), link).doing(|| format!("make /tekton/steps/{name}"))?;
        }
        if let Program::Script { text, .. } = &container.program {
            let path = memory.join(script::path(position).trim_start_matches('/'));
            write(&path, script::with_preamble(text).as_bytes(), 0o755)?;
        }
        Ok(())
    }

    fn make_volume(&self, volume: &Volume, group: Option<u32>) -> Result<(), Error> {
        let place = self.place(volume);
        match &volume.source {
            Source::Mounted(path) => open_to(path, group),
            Source::Empty => make(&place, OPEN),
            Source::Memory { limit_bytes } => {
                self.memory.make_volume(&volume.name, OPEN)?;
                memory::mount_at(&place, limit_bytes.unwrap_or(0), OPEN)
            }
            Source::Directory(path) => make_all(path),
            Source::HostPath(_) => Ok(()),
            Source::Files(files) => {
                self.memory.make_volume(&volume.name, 0o755)?;
                files.iter().try_for_each(|file| write_file(&place, file))
            }
        }
    }
}

/// Lets any user write in a volume of an engine, which makes it for root alone; with a group, lets that
/// group use all that is in it. A volume that somebody has opened already is left as it is.
fn open_to(path: &Path, group: Option<u32>) -> Result<(), Error> {
    make(path, OPEN)?;
    let found = fs::metadata(path).doing(|| format!("look at {}", path.display()))?;
    if found.is_dir() && found.permissions().mode() & 0o777 == 0o755 && found.uid() == 0 {
        let mode = Permissions::from_mode(OPEN);
        fs::set_permissions(path, mode).doing(|| format!("set the mode of {}", path.display()))?;
    }
    match group {
        Some(group) if found.gid() != group => give(path, group, found.dev()),
        _ => Ok(()),
    }
}

/// Gives a tree to a group, as Kubernetes does: readable and writable, new files get the group too. What is
/// mounted below it is another volume's.
fn give(path: &Path, group: u32, device: u64) -> Result<(), Error> {
    let found = fs::symlink_metadata(path).doing(|| format!("look at {}", path.display()))?;
    if found.dev() != device {
        return Ok(());
    }
    lchown(path, None, Some(group)).doing(|| format!("give {} to group {group}", path.display()))?;
    if found.is_symlink() {
        return Ok(());
    }
    let more = if found.is_dir() { 0o2770 } else { 0o660 };
    let mode = Permissions::from_mode(found.permissions().mode() | more);
    fs::set_permissions(path, mode).doing(|| format!("set the mode of {}", path.display()))?;
    if found.is_dir() {
        for entry in fs::read_dir(path)
            .doing(|| format!("list {}", path.display()))?
            .flatten()
        {
            give(&entry.path(), group, device)?;
        }
    }
    Ok(())
}

/// Whether a container may know `/tekton/home`, and put there what is too large for the memory.
fn is_home_mentioned(sandbox: &Sandbox) -> bool {
    let steps = sandbox.steps.iter().map(|step| &step.container);
    let mut containers = steps.chain(sandbox.sidecars.iter().map(|sidecar| &sidecar.container));
    let mentions = |text: &String| text.contains("/tekton/home");
    containers.any(|container| {
        let program = match &container.program {
            Program::Command(argv) => argv.iter().any(mentions),
            Program::Script { text, args } => mentions(text) || args.iter().any(mentions),
        };
        let environment = container.environment.iter().any(|variable| mentions(&variable.value));
        program || environment || mentions(&container.working_directory)
    })
}

fn make_all(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().mode(OPEN).recursive(true).create(path);
    made.doing(|| format!("make {}", path.display()))
}

fn write_file(place: &Path, file: &File) -> Result<(), Error> {
    let relative = Path::new(&file.path);
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(Error::task(format!("`{}` names no file inside a volume", file.path)));
    }
    let path = place.join(relative);
    if let Some(parent) = path.parent() {
        let made = DirBuilder::new().mode(0o755).recursive(true).create(parent);
        made.doing(|| format!("make {}", parent.display()))?;
    }
    write(&path, &file.content.0, file.mode)
}
