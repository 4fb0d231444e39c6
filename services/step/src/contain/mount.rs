//! Single mounts.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};
use nix::sys::statvfs::{FsFlags, fstatvfs};

use crate::error::{Doing, Error};

const NOTHING: Option<&str> = None;
/// Times a path is tried that the kernel is unsure of: any rename or mount of the machine meanwhile, and it cannot tell where
/// `..` led.
const TRIES: usize = 1000;

/// Something to mount, held open, so that it can be mounted where its path no longer leads to it.
pub(super) struct Source {
    file: OwnedFd,
}

impl Source {
    /// What is at `path`, following symbolic links.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let file = open(path, flags, Mode::empty()).doing(|| format!("open {}", path.display()))?;
        Ok(Self { file })
    }

    /// The part `sub_path` of it, made if missing. No way leads out of it: the kernel refuses `..`
    /// above it, absolute links and links above it while it resolves the path.
    pub(super) fn part(self, sub_path: &str) -> Result<Self, Error> {
        let mut deepest: Option<OwnedFd> = None;
        let mut prefix = String::new();
        for name in sub_path.split('/').filter(|name| !name.is_empty() && *name != ".") {
            let parent = deepest.as_ref().unwrap_or(&self.file);
            prefix = if prefix.is_empty() {
                name.to_owned()
            } else {
                format!("{prefix}/{name}")
            };
            let next = match self.open_beneath(&prefix) {
                Err(Errno::ENOENT) => {
                    mkdirat(parent, name, Mode::from_bits_truncate(0o777)).and_then(|()| self.open_beneath(&prefix))
                }
                other => other,
            };
            deepest = Some(next.map_err(|errno| refusal(errno, sub_path, &prefix))?);
        }
        Ok(Self {
            file: deepest.unwrap_or(self.file),
        })
    }

    fn open_beneath(&self, path: &str) -> nix::Result<OwnedFd> {
        self.resolve(Path::new(path), ResolveFlag::RESOLVE_BENEATH)
    }

    /// What is at `path` where this is the root; nothing if it is not there.
    pub(super) fn find(&self, path: &Path) -> Option<Self> {
        let file = self.resolve(path, ResolveFlag::RESOLVE_IN_ROOT).ok()?;
        Some(Self { file })
    }

    /// What is at `path` from here, by no way out.
    fn resolve(&self, path: &Path, bounds: ResolveFlag) -> nix::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
            .resolve(bounds | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let mut tries = (0..TRIES).map(|_| openat2(&self.file, path, how));
        let told = tries.find(|opened| !matches!(opened, Err(Errno::EAGAIN)));
        told.unwrap_or(Err(Errno::EAGAIN))
    }

    /// Whether it is a directory.
    pub(super) fn is_directory(&self) -> Result<bool, Error> {
        let stat = fstat(&self.file).doing(|| "look at what is to be mounted")?;
        Ok(SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR)
    }

    /// A path that leads to it as long as it is held open and `/proc` is mounted.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// Mounts it, with all that is mounted below it, over `target`, which exists.
    pub(super) fn bind(&self, target: &Path) -> Result<(), Error> {
        bind(&self.path(), target)
    }

    /// The same, read only: itself; what is mounted below it stays as it is.
    pub(super) fn bind_read_only(&self, target: &Path) -> Result<(), Error> {
        self.bind(target)?;
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | self.kept_flags()?;
        mount(NOTHING, target, NOTHING, flags, NOTHING).doing(|| format!("make {} read only", target.display()))
    }

    /// Flags that a remount in a user namespace may not drop: those of the mount it is of.
    fn kept_flags(&self) -> Result<MsFlags, Error> {
        let set = fstatvfs(&self.file).doing(|| "read the flags of a mount")?.flags();
        let pairs = [
            (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
            (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
            (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
            (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
            (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
            (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
        ];
        let kept = pairs
            .into_iter()
            .filter(|(has, _)| set.contains(*has))
            .map(|(_, flag)| flag);
        Ok(kept.collect())
    }
}

fn refusal(errno: Errno, whole: &str, prefix: &str) -> Error {
    match errno {
        Errno::EXDEV | Errno::ELOOP => Error::task(format!(
            "subPath `{whole}` leads out of its volume at `{prefix}`; name a folder inside it"
        )),
        Errno::EEXIST | Errno::ENOTDIR => Error::task(format!(
            "subPath `{whole}` names no folder: `{prefix}` is something else"
        )),
        other => Error::Place {
            action: format!("open the folder `{prefix}` of a volume"),
            source: other.into(),
        },
    }
}

/// Mounts `source`, with all that is mounted below it, over `target`, which exists.
pub(super) fn bind(source: &Path, target: &Path) -> Result<(), Error> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(source), target, NOTHING, flags, NOTHING).doing(|| format!("mount over {}", target.display()))
}

/// An empty file system in memory at `target`.
pub(crate) fn memory(target: &Path, options: &str) -> Result<(), Error> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some(options))
        .doing(|| format!("mount a tmpfs at {}", target.display()))
}

/// Makes an empty file to mount over.
pub(super) fn touch(path: &Path) -> Result<(), Error> {
    File::create(path)
        .map(drop)
        .doing(|| format!("make {}", path.display()))
}
