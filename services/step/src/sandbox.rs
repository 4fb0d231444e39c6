//! PID 1 of an attempt: order of the steps, logs, results, the socket to the runner.
//!
//! Whatever the attempt starts is in this PID namespace and ends with this process. It cannot be
//! traced or read by the steps, which share its uid: it is not dumpable. It has no thread but one and
//! waits in `poll` only.

mod attempt;
mod contained;
mod guard;
mod layout;
mod link;
mod log;
mod mask;
mod outbox;
mod results;
mod substitute;
mod sweep;

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use nix::mount::{MsFlags, mount};
use nix::sys::prctl::set_dumpable;
use nix::sys::stat::{Mode, umask};
use nix::unistd::dup2_stderr;
use tidemill_messages::sandbox::Order;

use attempt::Attempt;
use contained::Starting;

use crate::contain::Identity;
use crate::error::{Doing, Error, refused};
use crate::process;
use crate::wire::Wire;

const NOTHING: Option<&str> = None;

/// Plays the attempt that comes over standard input, until its runner ends it.
pub(crate) fn run() -> Result<ExitCode, Error> {
    let identity = std::env::args().nth(2).unwrap_or_default();
    let identity = Identity::parse(&identity).ok_or_else(|| {
        Error::task(format!(
            "`{identity}` is no identity; this role is started by `supervise`"
        ))
    })?;
    set_dumpable(false).doing(|| "keep this process from being read")?;
    // Modes are given with each directory.
    umask(Mode::empty());
    let mut wire = Wire::from_stdin()?;
    let supervisor = process::identity()?;
    // The first container's process is started before it is known what for: a supervisor may wait for its
    // attempt, and then that attempt does not wait for this.
    let entered = enter().and_then(|()| Starting::start(false));
    // A runner that ends before it has an attempt leaves nothing to do.
    let Some(Order::Prepare(sandbox)) = wire.receive()? else {
        return Ok(ExitCode::SUCCESS);
    };
    let attempt = entered.and_then(|first| {
        write_words_to(&sandbox.directory)?;
        Attempt::prepare(*sandbox, identity, supervisor, first)
    });
    match attempt {
        Ok((attempt, listener)) => attempt.play(wire, listener),
        Err(error) => {
            wire.send(&refused(&error))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Lets the last words of this process, should it come to them, be found in the attempt's directory.
fn write_words_to(directory: &Path) -> Result<(), Error> {
    let path = directory.join("log");
    let file = File::create(&path).doing(|| format!("make {}", path.display()))?;
    dup2_stderr(&file).doing(|| format!("write to {}", path.display()))
}

/// Cuts the way of mounts back to the host and shows the attempt's processes in `/proc`.
fn enter() -> Result<(), Error> {
    let slave = MsFlags::MS_SLAVE | MsFlags::MS_REC;
    mount(NOTHING, "/", NOTHING, slave, NOTHING).doing(|| "keep mounts from the host")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, NOTHING).doing(|| "mount a /proc of its own")
}
