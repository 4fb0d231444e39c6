//! The one `tidemill up` that tests share which do no harm to it.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

use anyhow::{Result, anyhow};
use tempfile::TempDir;
use tidemill_kit::Up;

struct Shared {
    up: Mutex<Option<Up>>,
    folder: TempDir,
}

static SHARED: OnceLock<std::result::Result<Shared, String>> = OnceLock::new();

/// State directory of the shared server, which is started on first use.
///
/// # Errors
/// If it cannot be started; the same error for every test that asks.
pub fn shared_state() -> Result<PathBuf> {
    let shared = SHARED.get_or_init(|| start().map_err(|error| format!("{error:#}")));
    match shared {
        Ok(shared) => Ok(shared.folder.path().join("state")),
        Err(message) => Err(anyhow!("the shared server did not start: {message}")),
    }
}

/// Ends the shared server, after the last test; gives what it said, if it was ever started.
pub fn stop_shared() -> Option<String> {
    let Some(Ok(shared)) = SHARED.get() else { return None };
    let up = shared.up.lock().ok()?.take();
    let spoken = up.and_then(|mut up| up.process.stop().ok());
    drop(std::fs::remove_dir_all(shared.folder.path()));
    spoken
}

fn start() -> Result<Shared> {
    let folder = tempfile::Builder::new().prefix("tidemill-e2e-").tempdir()?;
    let up = Up::start(&folder.path().join("state"), &[])?;
    Ok(Shared {
        up: Mutex::new(Some(up)),
        folder,
    })
}
