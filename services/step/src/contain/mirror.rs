//! Places for mounts where the host has none.
//!
//! A mount needs something to cover. Making it in a directory of the host would leave it behind there
//! (or be refused), so the nearest directory that exists is first replaced, in this container only, by
//! a copy in memory whose entries are the host's own, mounted one by one.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use super::mount::{Source, bind, memory, touch};
use crate::error::{Doing, Error};

/// Knows which directories of the container's root are its own, so that entries may be made there.
pub(super) struct Places {
    own: Vec<PathBuf>,
}

impl Places {
    /// `own`: directories that are the container's.
    pub(super) fn new(own: Vec<PathBuf>) -> Self {
        Self { own }
    }

    /// Something was mounted at `path`: what is below is the container's.
    pub(super) fn add(&mut self, path: PathBuf) {
        self.own.push(path);
    }

    /// Makes sure that a directory (or a file) is at `path`, which is absolute and without `..`.
    pub(super) fn ensure(&mut self, path: &Path, directory: bool) -> Result<(), Error> {
        if path.exists() {
            return Ok(());
        }
        let above = nearest(path);
        if above != Path::new("/") && !self.own.iter().any(|own| above.starts_with(own)) {
            mirror(&above)?;
            self.own.push(above);
        }
        let parent = if directory { Some(path) } else { path.parent() };
        if let Some(parent) = parent {
            fs::create_dir_all(parent).doing(|| format!("make {}", parent.display()))?;
        }
        if directory { Ok(()) } else { touch(path) }
    }
}

/// `path` if it may name a place in a container: absolute, without `..`.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Error> {
    let clean: PathBuf = path.components().collect();
    if clean.is_absolute() && clean.components().all(|part| part != Component::ParentDir) {
        return Ok(clean);
    }
    Err(Error::task(format!(
        "`{}` names no place in a container; expected an absolute path without `..`",
        path.display()
    )))
}

/// The deepest directory above `path` that exists.
fn nearest(path: &Path) -> PathBuf {
    let above = path.ancestors().skip(1).find(|above| above.is_dir());
    above.unwrap_or(Path::new("/")).to_owned()
}

fn mirror(directory: &Path) -> Result<(), Error> {
    let held = Source::open(directory)?;
    let entries = fs::read_dir(directory).doing(|| format!("list {}", directory.display()))?;
    let entries: Vec<_> = entries.flatten().collect();
    let mode = fs::metadata(directory).doing(|| format!("look at {}", directory.display()))?;
    memory(directory, &format!("mode={:o}", mode.permissions().mode() & 0o7777))?;
    for entry in entries {
        let Ok(kind) = entry.file_type() else { continue };
        let (from, to) = (held.path().join(entry.file_name()), directory.join(entry.file_name()));
        copy_entry(&from, &to, kind)?;
    }
    Ok(())
}

/// Puts one entry of the host at `to`: a link as a link, all else mounted.
pub(super) fn copy_entry(from: &Path, to: &Path, kind: fs::FileType) -> Result<(), Error> {
    if kind.is_symlink() {
        let target = fs::read_link(from).doing(|| format!("read the link {}", from.display()))?;
        return symlink(target, to).doing(|| format!("make the link {}", to.display()));
    }
    if kind.is_dir() {
        fs::create_dir(to).doing(|| format!("make {}", to.display()))?;
    } else {
        touch(to)?;
    }
    match bind(from, to) {
        // What the host does not let be seen elsewhere stays empty.
        Err(Error::Place { source, .. }) if source.raw_os_error().is_some_and(may_stay_empty) => Ok(()),
        other => other,
    }
}

fn may_stay_empty(code: i32) -> bool {
    use nix::errno::Errno;
    [Errno::EINVAL, Errno::EACCES, Errno::EPERM, Errno::ENOENT].contains(&Errno::from_raw(code))
}
