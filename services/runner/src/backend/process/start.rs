//! Starting a supervisor.

use std::io::{ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidemill_messages::frame;
use tidemill_messages::sandbox::{Order, Sandbox};
use tokio::task::spawn_blocking;

use super::link::Link;
use super::place;
use crate::backend::Error;

const BINARY: &str = "tidemill-step";

/// Where the step binary is: the setting, else beside the running binary, else on `PATH`.
pub(super) fn step_binary(setting: Option<&Path>) -> Result<PathBuf, Error> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|own| Some(own.parent()?.join(BINARY)));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&on_path)
        .map(|directory| directory.join(BINARY))
        .collect::<Vec<_>>();
    let candidates = match setting {
        Some(path) => vec![path.to_owned()],
        None => beside.into_iter().chain(on_path).collect(),
    };
    let found = candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        place(format!("find {BINARY}"))("put it beside the running binary or on PATH, or set process.step-binary")
    });
    std::path::absolute(found?).map_err(place(format!("find {BINARY}")))
}

/// Supervisors, some of them started before they are needed.
///
/// A supervisor needs three processes to come into being, one after the other, which takes longer than
/// to build a sandbox in it. So a few wait for their attempts; one that is taken is replaced behind the
/// attempt's back. They end when this process does.
pub(super) struct Supervisors {
    binary: PathBuf,
    count: usize,
    waiting: Mutex<Vec<UnixStream>>,
}

impl Supervisors {
    /// With `count` of them waiting; the first are started with the first attempt.
    pub(super) fn new(binary: PathBuf, count: usize) -> Arc<Self> {
        Arc::new(Self {
            binary,
            count,
            waiting: Mutex::new(Vec::new()),
        })
    }

    /// The socket of a supervisor that has been given `sandbox`.
    pub(super) async fn with(self: &Arc<Self>, sandbox: Sandbox) -> Result<Link, Error> {
        let own = Arc::clone(self);
        let given = spawn_blocking(move || own.give(sandbox));
        let stream = given.await.map_err(place("start a supervisor"))??;
        let own = Arc::clone(self);
        drop(spawn_blocking(move || own.fill()));
        Link::new(stream)
    }

    fn give(&self, sandbox: Sandbox) -> Result<UnixStream, Error> {
        let order = frame::encode(&Order::Prepare(Box::new(sandbox))).map_err(place("hand the sandbox over"))?;
        while let Some(mut waiting) = self.take() {
            // One that has died meanwhile is passed over.
            if waiting.write_all(&order).is_ok() {
                return Ok(waiting);
            }
        }
        let mut fresh = start(&self.binary)?;
        match fresh.write_all(&order) {
            // What went wrong is what it says next.
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => Ok(fresh),
            Err(error) => Err(place("hand the sandbox over")(error)),
            Ok(()) => Ok(fresh),
        }
    }

    fn take(&self) -> Option<UnixStream> {
        self.lock().pop()
    }

    /// Starts what is missing.
    fn fill(&self) {
        while self.lock().len() < self.count {
            match start(&self.binary) {
                Ok(waiting) => self.lock().push(waiting),
                Err(error) => return tracing::warn!(%error, "Cannot start a supervisor ahead of its attempt."),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<UnixStream>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts one. Its first process ends as soon as it has made the namespaces, which is waited for.
fn start(binary: &Path) -> Result<UnixStream, Error> {
    let (ours, theirs) = UnixStream::pair().map_err(place("make a pair of sockets"))?;
    let child = Command::new(binary)
        .arg("supervise")
        .env_clear()
        .current_dir("/")
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child.map_err(place(format!("start {}", binary.display())))?;
    child
        .wait()
        .map_err(place("wait for the first process of a supervisor"))?;
    Ok(ours)
}
