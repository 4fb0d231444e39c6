//! One server a state directory.

use std::fs::{self, File, TryLockError};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use super::StateDir;
use crate::error::Error;

/// Held as long as a server runs on the directory; the kernel lets go of it with the process.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl StateDir {
    /// Takes the directory for this process.
    ///
    /// # Errors
    /// [`Error::AlreadyRunning`] when another process has it; [`Error::Io`].
    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        let path = self.path.join("lock");
        let fail = |source| Error::io(format!("lock {}", path.display()))(source);
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(self.held()),
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        let text = format!("{}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(fail)?;
        Ok(Lock { _file: file })
    }

    fn held(&self) -> Error {
        let written = fs::read_to_string(self.path.join("lock")).unwrap_or_default();
        let up = self.running();
        Error::AlreadyRunning {
            state_dir: self.path.clone(),
            pid: written.trim().parse().unwrap_or(0),
            address: up.map_or_else(|| "an address not yet known".to_owned(), |up| up.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::StateDir;
    use crate::error::Error;

    #[test]
    fn the_second_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::resolve(Some(folder.path())).unwrap();
        let first = state.lock().unwrap();
        let error = state.lock().unwrap_err();
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(
            matches!(error, Error::AlreadyRunning { pid, .. } if pid == own),
            "{error}"
        );
        drop(first);
        state.lock().unwrap();
    }
}
