//! What is not there, without asking for each of it again.
//!
//! The times of a directory change with its entries: as long as they are what they were, what was missing below it still
//! is. Forty places that most hosts do not have lie in a few directories.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, FsType, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC,
    statfs,
};

use super::mark::Mark;

/// File systems on the machine itself.
const TIMEKEEPERS: [FsType; 6] = [
    BTRFS_SUPER_MAGIC,
    EXT4_SUPER_MAGIC,
    F2FS_SUPER_MAGIC,
    OVERLAYFS_SUPER_MAGIC,
    TMPFS_MAGIC,
    XFS_SUPER_MAGIC,
];

/// Paths that lead nowhere.
#[derive(Default)]
pub(super) struct Absent {
    directories: Vec<Directory>,
    /// Each path, and of which of the directories it needs another entry to lead anywhere.
    paths: HashMap<OsString, usize>,
}

struct Directory {
    path: PathBuf,
    mark: Mark,
    /// What changes behind the look at it shows.
    settled: bool,
}

impl Absent {
    /// Those of `paths` that lead nowhere now.
    pub(super) fn look(paths: &[PathBuf]) -> Self {
        let mut absent = Self::default();
        for path in paths {
            // The mark first: what comes into being behind it changes it.
            if let Some((directory, mark)) = above(path)
                && fs::symlink_metadata(path).is_err()
            {
                absent.add(directory, mark, path);
            }
        }
        absent
    }

    fn add(&mut self, directory: &Path, mark: Mark, path: &Path) {
        let known = self.directories.iter().position(|known| known.path == directory);
        let index = match known {
            Some(index) => index,
            None if keeps_times(directory) => {
                self.directories.push(Directory {
                    path: directory.to_owned(),
                    settled: mark.is_settled(),
                    mark: mark.clone(),
                });
                self.directories.len() - 1
            }
            None => return,
        };
        // One that is changing shows nothing: the path is looked up whenever it is asked for.
        if self.directories[index].mark == mark {
            self.paths.insert(path.into(), index);
        }
    }

    /// Whether another look would be sure of more.
    pub(super) fn is_outdated(&self) -> bool {
        self.directories.iter().any(Directory::is_outdated)
    }

    /// Tells of a path whether it certainly leads nowhere still.
    pub(super) fn sure(&self) -> impl Fn(&Path) -> bool {
        let sure: Vec<_> = self.directories.iter().map(Directory::is_sure).collect();
        move |path| self.paths.get(path.as_os_str()).is_some_and(|index| sure[*index])
    }
}

impl Directory {
    fn is_sure(&self) -> bool {
        self.settled && Mark::of_target(&self.path).is_ok_and(|now| now == self.mark)
    }

    /// Not while it goes on changing.
    fn is_outdated(&self) -> bool {
        match Mark::of_target(&self.path) {
            Ok(now) => (!self.settled || now != self.mark) && now.is_settled(),
            Err(_) => true,
        }
    }
}

/// Whether the file system is known to change a directory's times at once. Of one over a network, or of somebody's own
/// making, nothing is taken for granted.
fn keeps_times(directory: &Path) -> bool {
    statfs(directory).is_ok_and(|found| TIMEKEEPERS.contains(&found.filesystem_type()))
}

/// The deepest place above `path` that has an entry. None where that is a link to what is not there: nothing here shows
/// when it comes to be.
fn above(path: &Path) -> Option<(&Path, Mark)> {
    let above = path
        .ancestors()
        .skip(1)
        .find(|above| fs::symlink_metadata(above).is_ok())?;
    Some((above, Mark::of_target(above).ok()?))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory, removed when dropped.
    struct Place(PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    impl Place {
        fn new(name: &str) -> Self {
            let place = std::env::temp_dir().join(format!("tidemill-absent-{name}-{}", std::process::id()));
            fs::create_dir_all(&place).unwrap();
            Self(place)
        }
    }

    /// As if the directories had last changed long ago, which cannot be made up.
    fn look(paths: &[PathBuf]) -> Absent {
        let mut absent = Absent::look(paths);
        let directories = absent.directories.iter_mut();
        directories.for_each(|directory| directory.settled = true);
        absent
    }

    fn sure_of(absent: &Absent, paths: &[PathBuf]) -> Vec<bool> {
        let is_sure = absent.sure();
        paths.iter().map(|path| is_sure(path)).collect()
    }

    #[test]
    fn a_directory_that_has_just_changed_is_not_trusted() {
        let place = Place::new("young");
        let paths = [place.0.join("a")];
        let absent = Absent::look(&paths);
        assert_eq!(sure_of(&absent, &paths), [false]);
        assert!(!absent.is_outdated(), "another look would not help either");
    }

    #[test]
    fn what_comes_into_being_anywhere_on_the_way_is_noticed() {
        let place = Place::new("way");
        if !keeps_times(&place.0) {
            eprintln!(
                "skipped: the file system of {} is not known to keep times",
                place.0.display()
            );
            return;
        }
        let paths = [place.0.join("a/b/c"), place.0.join("a/d"), place.0.join("e")];
        let absent = look(&paths);
        assert_eq!(sure_of(&absent, &paths), [true, true, true]);
        fs::create_dir(place.0.join("a")).unwrap();
        assert_eq!(sure_of(&absent, &paths), [false, false, false]);
        let absent = look(&paths);
        assert_eq!(sure_of(&absent, &paths), [true, true, true]);
        File::create(place.0.join("a/d")).unwrap();
        assert_eq!(sure_of(&absent, &paths), [false, false, true]);
        let absent = look(&paths);
        assert_eq!(sure_of(&absent, &paths), [true, false, true]);
        fs::remove_dir_all(place.0.join("a")).unwrap();
        fs::create_dir(place.0.join("a")).unwrap();
        assert_eq!(sure_of(&absent, &paths), [false, false, false]);
    }

    #[test]
    fn a_time_that_was_set_back_does_not_deceive() {
        let place = Place::new("back");
        let paths = [place.0.join("a")];
        let before = fs::metadata(&place.0).unwrap().modified().unwrap();
        let absent = look(&paths);
        File::create(&paths[0]).unwrap();
        let directory = File::open(&place.0).unwrap();
        directory.set_times(FileTimes::new().set_modified(before)).unwrap();
        assert_eq!(sure_of(&absent, &paths), [false]);
    }

    #[test]
    fn nothing_is_sure_where_times_may_mean_nothing() {
        let paths = [PathBuf::from("/proc/self/missing")];
        let absent = look(&paths);
        assert_eq!(sure_of(&absent, &paths), [false]);
        assert!(!absent.is_outdated(), "and another look would not help");
    }

    #[test]
    fn nothing_is_sure_behind_a_link_that_leads_nowhere() {
        let place = Place::new("link");
        symlink(place.0.join("elsewhere"), place.0.join("link")).unwrap();
        let paths = [place.0.join("link"), place.0.join("link/below")];
        assert_eq!(sure_of(&look(&paths), &paths), [false, false]);
    }
}
