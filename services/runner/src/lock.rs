//! One process an id on a machine: a lock file.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use tidemill_messages::subject;

use crate::Error;

/// Held as long as it lives; the kernel lets go of it when the process dies.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl Lock {
    /// Locks `<state>/runners/<id>.lock`.
    pub(crate) fn take(state_dir: &Path, id: &str) -> Result<Self, Error> {
        let path = state_dir.join("runners").join(format!("{}.lock", subject::token(id)));
        let failed = |source| Error::Lock {
            path: path.clone(),
            source,
        };
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        let file = File::create(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(Error::Locked {
                id: id.to_owned(),
                path,
            }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_an_id_is_refused_until_the_first_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let first = Lock::take(directory.path(), "a/b").unwrap();
        let error = Lock::take(directory.path(), "a/b").unwrap_err();
        assert!(matches!(error, Error::Locked { .. }), "{error}");
        let other = Lock::take(directory.path(), "c").unwrap();
        drop((first, other));
        Lock::take(directory.path(), "a/b").unwrap();
    }
}
