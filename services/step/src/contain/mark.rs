//! What shows that a file or a directory has changed.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Age from which on a time of a file is not given to another change: well above the ticks of the kernel's clock.
const SETTLED: Duration = Duration::from_secs(2);

/// What changes with a file or with a directory's entries.
#[derive(Clone, PartialEq)]
pub(super) struct Mark {
    identity: (u64, u64),
    mode: u32,
    owner: (u32, u32),
    length: u64,
    links: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Mark {
    /// Of what is at `path` itself.
    pub(super) fn of_entry(path: &Path) -> io::Result<Self> {
        fs::symlink_metadata(path).map(Self::from)
    }

    /// Of what `path` leads to.
    pub(super) fn of_target(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(Self::from)
    }

    /// Whether a change from now on shows: two within a tick of the kernel's clock would have the same time.
    pub(super) fn is_settled(&self) -> bool {
        let changed = u64::try_from(self.changed.0).map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds + 1));
        let age = changed
            .ok()
            .and_then(|changed| SystemTime::now().duration_since(changed).ok());
        age.is_some_and(|age| age >= SETTLED)
    }
}

impl From<Metadata> for Mark {
    fn from(found: Metadata) -> Self {
        Self {
            identity: (found.dev(), found.ino()),
            mode: found.mode(),
            owner: (found.uid(), found.gid()),
            length: found.len(),
            links: found.nlink(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}
