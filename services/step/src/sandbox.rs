//! PID 1 of an attempt: order of the steps, logs, results, the socket to the runner.
//!
//! Whatever the attempt starts is in this PID namespace and ends with this process. It cannot be
//! traced or read by the steps, which share its uid: it is not dumpable. It has no thread but one and
//! waits in `poll` only.

pub(crate) mod attempt;
mod contained;
pub(crate) mod guard;
mod layout;
mod link;
mod listener;
pub(crate) mod log;
pub(crate) mod mask;
mod memory;
mod mount_points;
mod outbox;
pub(crate) mod pod;
pub(crate) mod results;
mod rooms;
pub(crate) mod script;
pub(crate) mod substitute;
pub(crate) mod sweep;

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::mount::{MsFlags, mount};
use nix::sys::prctl::set_dumpable;
use nix::sys::stat::{Mode, umask};
use tidemill_messages::sandbox::{LAST_WORDS, NAME, Order, ProcessIdentity, Word};

use attempt::Attempt;
pub(crate) use contained::Starting;
use listener::Listener;
pub(crate) use memory::Memory;

use crate::contain::Identity;
use crate::error::{Doing, Error, refused};
use crate::process;
use crate::wire::Wire;

const NOTHING: Option<&str> = None;
/// Attempts a supervisor plays, one after the other, before another takes its place.
const ATTEMPTS: usize = 1000;

/// Plays the attempts that come over standard input, one after the other, until the runner ends it.
pub(crate) fn run() -> Result<ExitCode, Error> {
    let identity = std::env::args().nth(2).unwrap_or_default();
    let identity = Identity::parse(&identity).ok_or_else(|| {
        Error::task(format!(
            "`{identity}` is no identity; this role is started by `supervise`"
        ))
    })?;
    let place = PathBuf::from(std::env::args_os().nth(3).unwrap_or_default());
    set_dumpable(false).doing(|| "keep this process from being read")?;
    // Modes are given with each directory.
    umask(Mode::empty());
    let mut wire = Wire::from_stdin()?;
    let supervisor = process::identity()?;
    if let Err(error) = enter() {
        wire.send(&refused(&error))?;
        return Ok(ExitCode::FAILURE);
    }
    panic::set_hook(Box::new(|panic| last_words(&panic.to_string())));
    let mut before = None;
    for number in 0..ATTEMPTS {
        let ahead = before.and_then(|listener: Listener| listener.ahead(&supervisor, number));
        match play_one(wire, identity, &supervisor, &place, ahead) {
            Ok(Left::Free(again, listener)) => (wire, before) = (again, Some(listener)),
            Ok(Left::Over(code)) => return Ok(code),
            Err(error) => {
                last_words(&error.chain());
                return Err(error);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Plays one attempt, if it comes; `ahead` is the socket that waits for it.
fn play_one(
    mut wire: Wire,
    identity: Identity,
    supervisor: &ProcessIdentity,
    place: &Path,
    ahead: Option<Listener>,
) -> Result<Left, Error> {
    // The first container's process is made before it is known what for: then an attempt that comes later does not wait
    // for it.
    let first = Memory::make(place).and_then(|memory| {
        let first = Starting::start(false, &memory, Some(0))?;
        Ok((first, memory))
    });
    wire.send(&Word::Free {
        supervisor: supervisor.clone(),
        socket: ahead.as_ref().map(|listener| listener.name().to_owned()),
    })?;
    // A runner that ends before it has an attempt leaves nothing to do.
    let Some(Order::Prepare(sandbox)) = wire.receive()? else {
        return Ok(Left::Over(ExitCode::SUCCESS));
    };
    match first.and_then(|(first, memory)| Attempt::prepare(*sandbox, identity, memory, first, ahead)) {
        Ok((attempt, listener)) => attempt.play(wire, listener),
        Err(error) => {
            wire.send(&refused(&error))?;
            Ok(Left::Over(ExitCode::FAILURE))
        }
    }
}

/// What becomes of a supervisor after an attempt.
enum Left {
    /// It is free for another; its runner still listens. Its socket is kept.
    Free(Wire, Listener),
    /// It ends.
    Over(ExitCode),
}

/// Leaves `words` in the attempt's directory, which is the working directory; without an attempt nobody
/// would look for them.
fn last_words(words: &str) {
    if Path::new(NAME).exists() {
        drop(fs::write(LAST_WORDS, words));
    }
}

/// Cuts the way of mounts back to the host and shows the attempt's processes in `/proc`.
fn enter() -> Result<(), Error> {
    let slave = MsFlags::MS_SLAVE | MsFlags::MS_REC;
    mount(NOTHING, "/", NOTHING, slave, NOTHING).doing(|| "keep mounts from the host")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, NOTHING).doing(|| "mount a /proc of its own")
}
