//! An attempt's directory before the attempt is known, or after the one before is over.
//!
//! To make and remove the five entries of a directory for each attempt costs more than all else on the
//! disk: ext4 searches ever longer for a number that was not free a moment ago. So the directory of an
//! attempt that left nothing behind is emptied and goes to the next one on the same supervisor, which has never left it. What
//! a step could have changed of it (owner, mode, attributes) is looked at; when in doubt it is removed.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, DirEntry, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tidemill_messages::sandbox::{NAME, ProcessIdentity, SOCKET_SUFFIX};

use super::directory::{is_alive, remove_tree, start_ticks};
use crate::identity::boot_id;

/// Where they wait, beside the attempts.
const PLACE: &str = "spares";
/// What stays in it, with the mode its maker gave it, and how many mount points may stay in that: the supervisor removes
/// those that its next attempt has not.
const KEPT: [(&str, u32, usize); 2] = [("workspace", 0o777, MOUNT_POINTS_MAX), ("tmp-0", 0o1777, 0)];
/// Where there are more, all go.
const MOUNT_POINTS_MAX: usize = 8;
/// The mode that the maker of mount points gave them.
const MOUNT_POINT_MODE: u32 = 0o755;
/// A directory that once held so many entries that it takes more bytes itself is slow for ever.
const DIRECTORY_BYTES_MAX: u64 = 64 << 10;

static NUMBERS: AtomicU64 = AtomicU64::new(0);
static OWN: LazyLock<String> = LazyLock::new(own);

/// Bytes of the file that names the attempt, at least: one that has its length already is written in place. Made shorter, it
/// would be sent to the disk when it is closed.
const NAME_BYTES: usize = 1024;

/// An emptied directory; removed when dropped.
#[derive(Debug)]
pub(super) struct Spare {
    path: PathBuf,
    /// The socket in it at which its supervisor hears.
    socket: Option<String>,
}

impl Spare {
    /// Makes one of the directory at `path`, in which nothing runs; it has another name from then on, so
    /// that whoever dies on the way leaves nothing that looks like an attempt. Nothing is left of what the
    /// attempt wrote, and nothing at all when it cannot be used again.
    pub(super) fn of(path: &Path, socket: Option<String>) -> io::Result<Option<Self>> {
        let mut spare = Self::named(path.parent().unwrap_or(Path::new("/")))?;
        spare.socket = socket;
        match fs::rename(path, &spare.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        }
        match spare.empty() {
            Ok(()) => Ok(Some(spare)),
            Err(_) => spare.remove().map(|()| None),
        }
    }

    /// A new one, for an attempt in `attempts`.
    pub(super) fn new(attempts: &Path) -> io::Result<Self> {
        let spare = Self::named(attempts)?;
        DirBuilder::new().mode(0o700).create(&spare.path)?;
        Ok(spare)
    }

    /// One that is not there yet. Its name tells whose it is.
    fn named(attempts: &Path) -> io::Result<Self> {
        let place = place_beside(attempts);
        DirBuilder::new().mode(0o700).recursive(true).create(&place)?;
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            path: place.join(format!("{}-{number}", *OWN)),
            socket: None,
        })
    }

    /// The socket in it that its supervisor has made for the next attempt.
    pub(super) fn socket(&self) -> Option<&str> {
        self.socket.as_deref()
    }

    /// Gives it to the attempt of `name`, at `path`.
    pub(super) fn give(self, path: &Path, name: &[u8]) -> io::Result<()> {
        let mut text = name.to_vec();
        text.resize(text.len().max(NAME_BYTES), b' ');
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path.join(NAME))?;
        file.write_all(&text)?;
        // A longer one was there: what is left of it would be no part of this one.
        if file.metadata()?.len() > text.len() as u64 {
            file.set_len(text.len() as u64)?;
        }
        // It comes with its name or not at all, as a new one does. What the drop looks for is gone then.
        fs::rename(&self.path, path)
    }

    fn empty(&self) -> io::Result<()> {
        let own = fs::symlink_metadata(&self.path)?;
        fs::read_dir(&self.path)?.try_for_each(|entry| {
            let entry = entry?;
            match &self.socket {
                Some(socket) if entry.file_name() == socket.as_str() => Ok(()),
                _ => empty_entry(&entry, &own),
            }
        })
    }

    fn remove(&self) -> io::Result<()> {
        remove_tree(&self.path)
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tracing::warn!(%error, path = %self.path.display(), "An empty directory could not be removed.");
        }
    }
}

/// Removes those beside `attempts` of which nobody is left to use them.
pub(super) fn sweep(attempts: &Path) {
    for entry in fs::read_dir(place_beside(attempts)).into_iter().flatten().flatten() {
        if is_abandoned(&entry.path()) {
            // The next sweep tries again.
            drop(remove_tree(&entry.path()));
        }
    }
}

fn place_beside(attempts: &Path) -> PathBuf {
    attempts.with_file_name(PLACE)
}

fn is_abandoned(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut numbers = name.split('-').map(str::parse::<u64>);
    let (Some(Ok(pid)), Some(Ok(start_ticks))) = (numbers.next(), numbers.next()) else {
        return false;
    };
    !is_alive(&ProcessIdentity {
        pid: i32::try_from(pid).unwrap_or_default(),
        start_ticks,
        boot_id: boot_id(),
    })
}

fn empty_entry(entry: &DirEntry, own: &Metadata) -> io::Result<()> {
    let (name, path) = (entry.file_name(), entry.path());
    if name == NAME {
        return Ok(());
    }
    let kept = KEPT.iter().find(|(kept, ..)| name == *kept);
    match kept {
        Some((_, mode, mount_points)) if is_blank(&path, *mode, *mount_points, own)? => Ok(()),
        None if is_socket(&name) => fs::remove_file(path),
        _ if entry.file_type()?.is_dir() => remove_tree(&path),
        _ => fs::remove_file(path),
    }
}

/// Whether an entry of an attempt's directory is the socket of a supervisor.
pub(super) fn is_socket(name: &OsStr) -> bool {
    name.to_string_lossy().ends_with(SOCKET_SUFFIX)
}

/// Whether a directory is as it was made, with at most so many mount points in it and nothing else.
fn is_blank(path: &Path, mode: u32, mount_points: usize, own: &Metadata) -> io::Result<bool> {
    let found = fs::symlink_metadata(path)?;
    let is_ours = (found.uid(), found.gid()) == (own.uid(), own.gid());
    if !found.is_dir() || !is_ours || found.mode() & 0o7777 != mode || found.len() > DIRECTORY_BYTES_MAX {
        return Ok(false);
    }
    // Access lists are such attributes too. Any name would be too long for one byte.
    if !matches!(rustix::fs::llistxattr(path, &mut [0_u8; 1]), Ok(0)) {
        return Ok(false);
    }
    for (index, entry) in fs::read_dir(path)?.enumerate() {
        if index >= mount_points || !is_blank(&entry?.path(), MOUNT_POINT_MODE, 0, own)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `<pid>-<start>` of this process.
fn own() -> String {
    let start_ticks = start_ticks("self").unwrap_or_default();
    format!("{}-{start_ticks}", std::process::id())
}

#[cfg(test)]
mod tests;
