//! The `tidemill up` that tests share which do no harm to it, one a kind of backend.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use anyhow::{Result, anyhow};
use tempfile::TempDir;
use tidemill_kit::Up;
use tidemill_kit::docker::Engine;

/// Which shared server.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// Its tasks are processes.
    Process,
    /// Its tasks are containers of this engine.
    Docker(&'a Engine),
}

struct Shared {
    up: Mutex<Option<Up>>,
    webhooks: String,
    folder: TempDir,
}

static PROCESS: OnceLock<std::result::Result<Shared, String>> = OnceLock::new();
static DOCKER: OnceLock<std::result::Result<Shared, String>> = OnceLock::new();

/// State directory of the shared server whose tasks are processes, which is started on first use.
///
/// # Errors
/// As [`shared_state_of`].
pub fn shared_state() -> Result<PathBuf> {
    shared_state_of(Place::Process)
}

/// State directory of the shared server, which is started on first use.
///
/// # Errors
/// If it cannot be started; the same error for every test that asks.
pub fn shared_state_of(place: Place<'_>) -> Result<PathBuf> {
    Ok(shared(place)?.folder.path().join("state"))
}

/// Where the shared server of processes takes webhooks, `http://<host>:<port>`.
///
/// # Errors
/// As [`shared_state_of`].
pub fn shared_webhooks() -> Result<String> {
    Ok(shared(Place::Process)?.webhooks.clone())
}

fn shared(place: Place<'_>) -> Result<&'static Shared> {
    let shared = match place {
        Place::Process => PROCESS.get_or_init(|| start(&[]).map_err(|error| format!("{error:#}"))),
        Place::Docker(engine) => {
            DOCKER.get_or_init(|| start(&engine.environment()).map_err(|error| format!("{error:#}")))
        }
    };
    let shared = shared.as_ref();
    shared.map_err(|message| anyhow!("the shared server did not start: {message}"))
}

/// Ends the shared servers and an engine of the tests' own, after the last test; gives what they said, if they were ever started.
pub fn stop_shared() -> Option<String> {
    let said = [stop(&PROCESS, |_| ()), stop(&DOCKER, clear)];
    Engine::give_back();
    let said: Vec<String> = said.into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join("\n"))
}

fn stop(shared: &OnceLock<std::result::Result<Shared, String>>, clear: impl FnOnce(&Path)) -> Option<String> {
    let Some(Ok(shared)) = shared.get() else { return None };
    let up = shared.up.lock().ok()?.take();
    let spoken = up.and_then(|mut up| up.process.stop().ok());
    clear(shared.folder.path());
    drop(std::fs::remove_dir_all(shared.folder.path()));
    spoken
}

fn clear(folder: &Path) {
    if let Ok(engine) = Engine::get() {
        engine.clear(folder);
    }
}

fn start(environment: &[(&str, &str)]) -> Result<Shared> {
    let folder = tempfile::Builder::new().prefix("tidemill-e2e-").tempdir()?;
    let up = Up::start(&folder.path().join("state"), environment)?;
    Ok(Shared {
        webhooks: up.webhooks()?,
        up: Mutex::new(Some(up)),
        folder,
    })
}
