//! The directory of an attempt: whose it is, whether a step may have started, and the supervisor's socket.
//!
//! Only the part [`Directory::socket`] is shown to a container, and nothing that lies there is believed.
//! Files of Secrets lie apart, in memory.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Component, Path, PathBuf};

use tidemill_messages::AttemptKey;
use tidemill_messages::sandbox::File as VolumeFile;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::backend::translate::config_error;
use crate::backend::{Error, place};

/// Whose directory it is; nobody may write it any more once a step may have started.
const NAME: &str = "attempt.json";
/// What the supervisor's container sees.
const SOCKET: &str = "pod";
/// Extension of a directory that has no name yet.
const MAKING: &str = "making";

/// Where one attempt lies.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    path: PathBuf,
    memory: PathBuf,
    key: AttemptKey,
}

/// The name of an attempt where keys are too long.
pub(super) fn short_name(key: &AttemptKey) -> String {
    let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, key.to_string().as_bytes());
    name.simple().to_string()
}

impl Directory {
    /// The directory of `key` below `attempts`, and below `memory` for what may not reach a disk.
    pub(super) fn new(attempts: &Path, memory: &Path, key: &AttemptKey) -> Self {
        let name = short_name(key);
        Self {
            path: attempts.join(&name),
            memory: memory.join(&name),
            key: key.clone(),
        }
    }

    /// Where the supervisor listens.
    pub(super) fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }

    /// Whether something of the attempt is here.
    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Makes it. It comes with its name or not at all, and is on the disk when this returns.
    pub(super) async fn create(&self) -> Result<(), Error> {
        let action = format!("make the attempt's directory {}", self.path.display());
        self.blocking(action, Self::create_blocking).await
    }

    fn create_blocking(&self) -> std::io::Result<()> {
        let attempts = self.path.parent().unwrap_or(Path::new("/"));
        private(attempts, true)?;
        let making = self.making();
        remove_tree(&making)?;
        private(&making, false)?;
        private(&making.join(SOCKET), false)?;
        let mut name = File::create(making.join(NAME))?;
        name.write_all(&serde_json::to_vec(&self.key)?)?;
        name.sync_all()?;
        fs::rename(&making, &self.path)?;
        File::open(attempts)?.sync_all()
    }

    /// Where it is made; what a maker that died has left there goes with the attempt.
    fn making(&self) -> PathBuf {
        self.path.with_extension(MAKING)
    }

    /// Marks that a step may have started.
    pub(super) async fn mark_started(&self) -> Result<(), Error> {
        let action = format!("mark {}", self.path.join(NAME).display());
        self.blocking(action, |own| {
            let file = File::open(own.path.join(NAME))?;
            file.set_permissions(Permissions::from_mode(0o400))?;
            file.sync_all()
        })
        .await
    }

    /// Whether a step may have started.
    pub(super) fn has_started(&self) -> bool {
        let found = fs::metadata(self.path.join(NAME));
        found.is_ok_and(|found| found.permissions().readonly())
    }

    /// Writes the files of a volume to memory, for a group or for one user alone; gives the directory to mount.
    pub(super) async fn write_volume(
        &self,
        name: &str,
        files: Vec<VolumeFile>,
        group: Option<u32>,
        owner: Option<u32>,
    ) -> Result<PathBuf, Error> {
        if let Some(wrong) = files.iter().find(|file| !is_inside(&file.path)) {
            return Err(config_error(format!("`{}` names no file inside a volume", wrong.path)));
        }
        let volume = self.memory.join(name);
        let made = volume.clone();
        let action = format!("write the files of volume {name} to {}", volume.display());
        self.blocking(action, move |own| own.write_blocking(&made, &files, group, owner))
            .await?;
        Ok(volume)
    }

    fn write_blocking(
        &self,
        volume: &Path,
        files: &[VolumeFile],
        group: Option<u32>,
        owner: Option<u32>,
    ) -> std::io::Result<()> {
        private(&self.memory, true)?;
        fs::create_dir(volume)?;
        fs::set_permissions(volume, Permissions::from_mode(0o755))?;
        for file in files {
            let path = volume.join(&file.path);
            if let Some(parent) = path.parent() {
                DirBuilder::new().mode(0o755).recursive(true).create(parent)?;
            }
            let mut made = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            made.write_all(&file.content.0)?;
            let mut mode = file.mode;
            // Only root may give files away; an ordinary user's files keep the modes they are asked for.
            if let Some(group) = group.filter(|_| rustix::process::geteuid().is_root()) {
                chown(&path, None, Some(group))?;
                mode |= 0o040;
            }
            if let Some(owner) = owner {
                chown(&path, Some(owner), None)?;
            }
            made.set_permissions(Permissions::from_mode(mode))?;
        }
        Ok(())
    }

    /// Removes everything. Repeatable.
    pub(super) async fn remove(&self) -> Result<(), Error> {
        let action = format!("remove {}", self.path.display());
        self.blocking(action, |own| {
            remove_tree(&own.memory)?;
            remove_tree(&own.making())?;
            remove_tree(&own.path)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        action: String,
        work: impl FnOnce(&Self) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let own = self.clone();
        let done = spawn_blocking(move || work(&own)).await;
        done.map_err(place(action.clone()))?.map_err(place(action))
    }
}

/// The attempts of which something is below `attempts`, also where it was not made to its end.
pub(super) async fn keys(attempts: PathBuf) -> Result<Vec<AttemptKey>, Error> {
    let action = format!("list {}", attempts.display());
    let read = spawn_blocking(move || -> std::io::Result<Vec<AttemptKey>> {
        let entries = match fs::read_dir(&attempts) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let texts = entries
            .flatten()
            .filter_map(|entry| fs::read(entry.path().join(NAME)).ok());
        Ok(texts.filter_map(|text| serde_json::from_slice(&text).ok()).collect())
    });
    read.await.map_err(place(action.clone()))?.map_err(place(action))
}

fn is_inside(path: &str) -> bool {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    Path::new(path).components().all(plain)
}

fn private(path: &Path, recursive: bool) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.mode(0o700).recursive(recursive).create(path)
}

fn remove_tree(path: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_not_made_to_its_end_is_found_and_removed() {
        let state = tempfile::tempdir().unwrap();
        let (attempts, memory) = (state.path().join("attempts"), state.path().join("memory"));
        let key = AttemptKey::new("run", "t1", 0);
        let directory = Directory::new(&attempts, &memory, &key);
        directory.create().await.unwrap();
        // Its maker dies before it has its name.
        fs::rename(&directory.path, directory.making()).unwrap();
        assert!(!directory.exists());
        assert_eq!(keys(attempts.clone()).await.unwrap(), [key]);
        directory.remove().await.unwrap();
        assert_eq!(fs::read_dir(&attempts).unwrap().count(), 0);
    }
}
