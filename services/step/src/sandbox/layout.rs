//! The attempt's directory.
//!
//! What may grow (`workspace`, `tmp-<container>`, `volume-<name>`) lies on the disk, with as few
//! directories as possible: each costs as much as ten mounts. Tekton's small places and
//! the files of Secrets lie in a file system in memory that only this attempt's processes have: it is
//! fast, never reaches the disk, and is gone with the last of them.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tidemill_messages::sandbox::{Container, File, Program, Sandbox, Source, Volume};

use super::script;
use crate::contain::Bound;
use crate::error::{Doing, Error};

/// Size of the file system that holds `/tekton`, results and files of Secrets.
pub(super) const MEMORY_BYTES: u64 = 128 << 20;
/// Directory for `/tekton/home`, where it is not in memory.
const DISK_HOME: &str = "home";
/// Directories any user of a container may write, as Kubernetes makes them.
const OPEN: u32 = 0o777;

/// Where the parts of an attempt lie.
pub(super) struct Layout {
    directory: PathBuf,
}

impl Layout {
    /// Makes everything below the sandbox's directory.
    pub(super) fn make(sandbox: &Sandbox) -> Result<Self, Error> {
        let layout = Self {
            directory: sandbox.directory.clone(),
        };
        layout.make_fixed()?;
        if is_home_mentioned(sandbox) {
            make(&sandbox.directory.join(DISK_HOME), OPEN)?;
        }
        let containers = sandbox.steps.iter().map(|step| &step.container);
        let containers = containers.chain(sandbox.sidecars.iter().map(|sidecar| &sidecar.container));
        for (position, container) in containers.enumerate() {
            layout.make_container(position, container)?;
        }
        for volume in &sandbox.volumes {
            layout.make_volume(volume)?;
        }
        Ok(layout)
    }

    /// The part in memory, laid out as a container's process expects it.
    pub(super) fn memory(&self) -> PathBuf {
        self.directory.join("memory")
    }

    /// Takes the part in memory away, when nothing runs in it any more.
    pub(super) fn clear(&self) -> Result<(), Error> {
        umount2(&self.memory(), MntFlags::MNT_DETACH).doing(|| "take an attempt's memory away")
    }

    /// Where results of the task are written.
    pub(super) fn results(&self) -> PathBuf {
        self.memory().join("tekton/results")
    }

    /// What Tekton keeps of a step: its exit code, its results.
    pub(super) fn status(&self, position: usize) -> PathBuf {
        self.memory().join(format!("tekton/run/{position}/status"))
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
            Program::Script { .. } => Err(Error::task(
                "cannot run the script: its first line is empty, so that the kernel does not see the `#!` \
                 that follows; put `#!` first",
            )),
        }
    }

    /// The mounts of a container with the places of their volumes.
    pub(super) fn mounts(&self, sandbox: &Sandbox, container: &Container) -> Result<Vec<Bound>, Error> {
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
            Source::Memory { .. } | Source::Files(_) => self.memory().join("volumes").join(&volume.name),
            Source::Directory(path) | Source::HostPath(path) => path.clone(),
        }
    }

    fn make_fixed(&self) -> Result<(), Error> {
        let memory = self.memory();
        for name in ["memory", "workspace"] {
            make(&self.directory.join(name), OPEN)?;
        }
        mount_memory(&memory, MEMORY_BYTES, 0o755)?;
        for name in [
            "root",
            "tekton",
            "creds",
            "hidden",
            "volumes",
            "tekton/steps",
            "tekton/scripts",
            "tekton/bin",
        ] {
            make(&memory.join(name), 0o755)?;
        }
        for name in ["tekton/run", "tekton/downward", "tekton/creds"] {
            make(&memory.join(name), 0o755)?;
        }
        for name in ["tekton/results", "tekton/artifacts", "tekton/home"] {
            make(&memory.join(name), OPEN)?;
        }
        write(&memory.join("tekton/downward/ready"), b"READY", 0o644)
    }

    fn make_container(&self, position: usize, container: &Container) -> Result<(), Error> {
        let memory = self.memory();
        make(&self.directory.join(format!("tmp-{position}")), 0o1777)?;
        make(&memory.join(format!("creds/{position}")), OPEN)?;
        let run = memory.join(format!("tekton/run/{position}"));
        for part in ["", "status", "status/results"] {
            make(&run.join(part), OPEN)?;
        }
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

    fn make_volume(&self, volume: &Volume) -> Result<(), Error> {
        let place = self.place(volume);
        match &volume.source {
            Source::Empty => make(&place, OPEN),
            Source::Memory { limit_bytes } => {
                make(&place, OPEN)?;
                mount_memory(&place, limit_bytes.unwrap_or(0), OPEN)
            }
            Source::Directory(path) => make_all(path),
            Source::HostPath(_) => Ok(()),
            Source::Files(files) => {
                make(&place, 0o755)?;
                files.iter().try_for_each(|file| write_file(&place, file))
            }
        }
    }
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

fn mount_memory(place: &Path, bytes: u64, mode: u32) -> Result<(), Error> {
    // 0 is the kernel's own limit: half of the memory.
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

fn make(path: &Path, mode: u32) -> Result<(), Error> {
    let made = DirBuilder::new().mode(mode).create(path);
    match made {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.doing(|| format!("make {}", path.display())),
    }
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

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.doing(|| format!("make {}", path.display()))?;
    file.write_all(content).doing(|| format!("write {}", path.display()))?;
    let permissions = <Permissions as std::os::unix::fs::PermissionsExt>::from_mode(mode);
    file.set_permissions(permissions)
        .doing(|| format!("set the mode of {}", path.display()))
}
