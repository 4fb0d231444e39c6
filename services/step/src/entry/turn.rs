//! Whose turn it is: files in a directory that all containers of the pod share.
//!
//! The first step's turn is there from the beginning. Whoever passes it on writes the next one's file
//! with all that was reported so far; `over` says that none will come. Files appear whole (by renaming)
//! and are waited for without a poll.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::PathBuf;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use serde::{Deserialize, Serialize};
use tidemill_messages::assignment::TURNS_PATH;
use tidemill_messages::report::ContainerReport;

use crate::error::{Doing, Error};

const OVER: &str = "over";

/// What the step before hands over.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Turn {
    /// How the steps before ended.
    pub(super) ends: Vec<ContainerReport>,
    /// Bytes of log they wrote.
    pub(super) log_bytes: u64,
}

/// What came of waiting.
pub(super) enum Given {
    Turn(Turn),
    /// No step after the one that ran last is to run.
    Over,
    /// The container was asked to end.
    Terminated,
}

/// Waits until it is this step's turn, or nobody's any more.
pub(super) fn wait(position: usize, signals: &SignalFd) -> Result<Given, Error> {
    if position == 0 {
        return Ok(Given::Turn(Turn::default()));
    }
    let watch = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).doing(|| "watch for the turn")?;
    watch
        .add_watch(TURNS_PATH, AddWatchFlags::IN_MOVED_TO)
        .doing(|| format!("watch {TURNS_PATH}"))?;
    loop {
        if let Some(given) = look(position)? {
            return Ok(given);
        }
        let mut files = [
            PollFd::new(watch.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut files, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(other) => return Err(other).doing(|| "wait for the turn"),
        }
        // What they say is seen in the directory.
        drop(watch.read_events());
        while let Some(signal) = signals.read_signal().doing(|| "read from the signalfd")? {
            if signal.ssi_signo != Signal::SIGCHLD as u32 {
                return Ok(Given::Terminated);
            }
        }
    }
}

fn look(position: usize) -> Result<Option<Given>, Error> {
    match fs::read(path(&position.to_string())) {
        Ok(bytes) => {
            let turn = serde_json::from_slice(&bytes);
            let turn =
                turn.map_err(|error| Error::task(format!("the turn of step {position} cannot be read: {error}")))?;
            return Ok(Some(Given::Turn(turn)));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).doing(|| "read the turn"),
    }
    Ok(path(OVER).exists().then_some(Given::Over))
}

/// Passes the turn on.
pub(super) fn pass(position: usize, turn: &Turn) -> Result<(), Error> {
    let text = serde_json::to_vec(turn)
        .map_err(std::io::Error::from)
        .doing(|| "write the turn")?;
    put(&position.to_string(), &text)
}

/// Nobody's turn comes any more.
pub(super) fn end() -> Result<(), Error> {
    put(OVER, b"")
}

fn put(name: &str, content: &[u8]) -> Result<(), Error> {
    let (partial, target) = (path(&format!(".{name}")), path(name));
    fs::write(&partial, content)
        .and_then(|()| fs::rename(&partial, &target))
        .doing(|| format!("write {}", target.display()))
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(TURNS_PATH).join(name)
}
