//! What a container must not see is covered: by an empty directory or file, in which a program may write in vain.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::absent::Absent;
use super::mount::{Source, touch};
use crate::error::{Doing, Error};

/// Covers of one container, by the place each lies over, as the host and the container call it.
pub(super) struct Covers {
    /// Where they lie in memory.
    memory: PathBuf,
    /// How many were made: one may have taken another's place.
    made: usize,
    covers: BTreeMap<PathBuf, Cover>,
    absent: Option<Absent>,
}

/// What lies over one place.
struct Cover {
    /// Where it lies in memory.
    place: PathBuf,
    source: Source,
    /// What is seen there once it is covered.
    found: Metadata,
}

impl Covers {
    /// None yet; they will lie in `memory`, which is this container's alone.
    pub(super) fn new(memory: PathBuf) -> Self {
        Self {
            memory,
            made: 0,
            covers: BTreeMap::new(),
            absent: None,
        }
    }

    /// Looks which of `hidden` the host does not have, unless that is known.
    pub(super) fn look(&mut self, hidden: &[PathBuf]) {
        if self.absent.as_ref().is_none_or(Absent::is_outdated) {
            self.absent = Some(Absent::look(hidden));
        }
    }

    /// The same in another mount namespace than the one they were made in: what was held open there cannot be mounted here.
    /// Those to be made from now on will lie in `memory`.
    pub(super) fn again(mut self, memory: PathBuf) -> Result<Self, Error> {
        for cover in self.covers.values_mut() {
            cover.source = Source::open(&cover.place)?;
        }
        self.memory = memory;
        Ok(self)
    }

    /// Where they lie in memory.
    pub(super) fn places(&self) -> impl Iterator<Item = &Path> {
        self.covers.values().map(|cover| cover.place.as_path())
    }

    /// Makes one for each of `hidden` that the host has and that has none. To be called before the container's root is
    /// entered.
    pub(super) fn make(&mut self, hidden: &[PathBuf]) -> Result<(), Error> {
        let is_absent = self.absent.as_ref().map(Absent::sure);
        for path in hidden {
            if is_absent.as_ref().is_some_and(|is_absent| is_absent(path)) {
                continue;
            }
            let Ok(found) = fs::metadata(path) else { continue };
            let made = self.covers.get(path);
            // A file may have become a directory since.
            if made.is_none_or(|cover| cover.found.is_dir() != found.is_dir()) {
                let place = self.memory.join(self.made.to_string());
                self.made += 1;
                let cover = Cover::make(&place, found.is_dir())?;
                self.covers.insert(path.clone(), cover);
            }
        }
        Ok(())
    }

    /// Lays them over the places in `root`, which is not entered yet. What is not to be seen there is left to
    /// [`Covers::complete`].
    pub(super) fn begin(&self, root: &Path) -> Result<(), Error> {
        let root = Source::open(root)?;
        for (path, cover) in &self.covers {
            if let Some(target) = root.find(path) {
                cover.source.bind(&target.path())?;
            }
        }
        Ok(())
    }

    /// In the container's root: lays each over its place, where it is not seen yet. A path that only the host has (below
    /// its /tmp) is hidden as it is.
    pub(super) fn complete(&self) -> Result<(), Error> {
        for (path, cover) in &self.covers {
            if fs::metadata(path).is_ok_and(|found| !cover.is_seen_as(&found)) {
                cover.source.bind(path)?;
            }
        }
        Ok(())
    }
}

impl Cover {
    /// An empty directory or file at `place`.
    fn make(place: &Path, is_directory: bool) -> Result<Self, Error> {
        let parent = place.parent().unwrap_or(place);
        fs::create_dir_all(parent).doing(|| format!("make {}", parent.display()))?;
        if is_directory {
            // It is there when another process of this container's has failed before.
            fs::create_dir_all(place).doing(|| format!("make {}", place.display()))?;
        } else {
            touch(place)?;
        }
        let mode = fs::Permissions::from_mode(if is_directory { 0o700 } else { 0o600 });
        fs::set_permissions(place, mode).doing(|| format!("set the mode of {}", place.display()))?;
        Ok(Self {
            place: place.to_owned(),
            source: Source::open(place)?,
            found: fs::metadata(place).doing(|| format!("look at {}", place.display()))?,
        })
    }

    fn is_seen_as(&self, found: &Metadata) -> bool {
        (found.dev(), found.ino()) == (self.found.dev(), self.found.ino())
    }
}
