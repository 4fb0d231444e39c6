//! Starting a supervisor.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use tidemill_messages::frame;
use tidemill_messages::sandbox::{Order, Sandbox};
use tokio::task::spawn_blocking;

use super::directory::Directory;
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
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        place(format!("find {BINARY}"))("put it beside the running binary or on PATH, or set process.step-binary")
    })
}

/// Starts a supervisor in its directory and hands it the sandbox.
pub(super) async fn supervisor(binary: &Path, directory: &Directory, sandbox: Sandbox) -> Result<Link, Error> {
    if directory.exists() {
        directory.remove().await?;
    }
    let (binary, directory) = (binary.to_owned(), directory.clone());
    let started = spawn_blocking(move || start(&binary, &directory, sandbox));
    let (stream, first) = started.await.map_err(place("start a supervisor"))??;
    // The first process ends as soon as it has made the namespaces; somebody must take notice.
    drop(spawn_blocking(move || wait(first)));
    Link::new(stream)
}

fn start(binary: &Path, directory: &Directory, sandbox: Sandbox) -> Result<(UnixStream, Child), Error> {
    directory.create()?;
    let log = directory.log()?;
    let (mut ours, theirs) = UnixStream::pair().map_err(place("make a pair of sockets"))?;
    let child = Command::new(binary)
        .arg("supervise")
        .env_clear()
        .current_dir("/")
        .stdin(OwnedFd::from(theirs))
        .stdout(log.try_clone().map_err(place("start a supervisor"))?)
        .stderr(log)
        .spawn()
        .map_err(place(format!("start {}", binary.display())))?;
    let order = frame::encode(&Order::Prepare(Box::new(sandbox))).map_err(place("hand the sandbox over"))?;
    match ours.write_all(&order) {
        // What went wrong is in its last words.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        other => other.map_err(place("hand the sandbox over"))?,
    }
    Ok((ours, child))
}

fn wait(mut child: Child) {
    if let Err(error) = child.wait() {
        tracing::warn!(%error, "Cannot wait for the first process of a supervisor.");
    }
}
