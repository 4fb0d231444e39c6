//! A bare root that a supervisor keeps.
//!
//! Making one costs about thirty mounts and as many directories, as much as half of all else that is done for a
//! step. So the first container of each attempt gets the one that its supervisor has: its mount namespace is a copy of the
//! supervisor's, and with it of the mounts. What the copies share is what lies in memory: the root itself, `/dev/shm`, the
//! covers. A program may write there, and no other attempt is to see it: a template is kept only if all of that is as it was made.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};
use nix::sys::stat::umask;

use super::CONTAINER_UMASK;
use super::bare::{Bare, SHARED_MEMORY};
use super::mark::Mark;
use super::mount::memory;
use super::usually_hidden;
use crate::error::{Doing, Error};

/// Below the supervisor's place.
const ROOT: &str = "root";
const COVERS: &str = "hidden";

/// A bare root in the mount namespace of a supervisor.
pub(crate) struct Template {
    bare: Bare,
    seen: Seen,
}

impl Template {
    /// Makes it below `place`, a file system in memory of which nothing is mounted elsewhere with the directory it lies
    /// in.
    pub(crate) fn make(place: &Path) -> Result<Self, Error> {
        let covers = place.join(COVERS);
        fs::create_dir_all(&covers).doing(|| format!("make {}", covers.display()))?;
        memory(&covers, "mode=755")?;
        // Directories are made with the modes a container's process makes them with.
        let usual = umask(CONTAINER_UMASK);
        let bare = Bare::make(place.join(ROOT), covers);
        umask(usual);
        let bare = bare?;
        let seen = Seen::of(&bare).doing(|| "look at the root that was made")?;
        Ok(Self { bare, seen })
    }

    /// Looks for what is not there to be hidden, so that a container does not have to.
    pub(crate) fn look(&mut self) {
        self.bare.covers.look(usually_hidden());
    }

    /// Whether no container has left anything in it, and the host's root has the entries it had. To be asked when no
    /// process of a container runs.
    pub(crate) fn is_as_made(&self) -> bool {
        self.seen.is_still()
    }

    /// Takes it away, so that another can be made at the same place.
    pub(crate) fn clear(self, place: &Path) -> Result<(), Error> {
        let mut mounts = [self.bare.path, place.join(COVERS)].into_iter();
        mounts.try_for_each(|path| umount2(&path, MntFlags::MNT_DETACH).doing(|| format!("unmount {}", path.display())))
    }

    /// For the container whose mount namespace this is, a copy of the supervisor's. Its further covers will lie in `covers`.
    pub(super) fn take(self, covers: PathBuf) -> Result<Bare, Error> {
        Ok(Bare {
            path: self.bare.path,
            covers: self.bare.covers.again(covers)?,
        })
    }
}

/// What shows that somebody has written.
struct Seen {
    /// The places in memory, and the host's root.
    places: Vec<(PathBuf, Mark)>,
    root: PathBuf,
    /// The root's entries. Within the same tick of the kernel's clock its times do not tell of a second change.
    entries: Vec<(OsString, u64)>,
}

impl Seen {
    fn of(bare: &Bare) -> io::Result<Self> {
        let root = bare.path.clone();
        let mut places = vec![PathBuf::from("/"), root.clone(), root.join(SHARED_MEMORY)];
        places.extend(bare.covers.places().map(Path::to_owned));
        let device = fs::symlink_metadata(&root)?.dev();
        for entry in fs::read_dir(&root)? {
            // What nothing is mounted over.
            let path = entry?.path();
            let found = fs::symlink_metadata(&path)?;
            if found.dev() == device && !found.is_symlink() {
                places.push(path);
            }
        }
        let marked = places.into_iter().map(|path| {
            let mark = Mark::of_entry(&path)?;
            Ok((path, mark))
        });
        Ok(Self {
            places: marked.collect::<io::Result<_>>()?,
            entries: entries(&root)?,
            root,
        })
    }

    fn is_still(&self) -> bool {
        let is_same = |(path, mark): &(PathBuf, Mark)| Mark::of_entry(path).is_ok_and(|now| now == *mark);
        self.places.iter().all(is_same) && entries(&self.root).is_ok_and(|now| now == self.entries)
    }
}

/// Names and inodes, those below mounts.
fn entries(directory: &Path) -> io::Result<Vec<(OsString, u64)>> {
    let entries = fs::read_dir(directory)?;
    let mut found: Vec<_> = entries
        .map(|entry| entry.map(|entry| (entry.file_name(), entry.ino())))
        .collect::<io::Result<_>>()?;
    found.sort();
    Ok(found)
}
