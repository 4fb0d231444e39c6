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

use std::process::ExitCode;

use nix::mount::{MsFlags, mount};
use nix::sys::prctl::set_dumpable;
use nix::sys::stat::{Mode, umask};
use tidemill_messages::sandbox::{Order, Word};

use attempt::Attempt;

use crate::contain::Identity;
use crate::error::{Doing, Error};
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
    let entered = enter();
    // A runner that ends before it has an attempt leaves nothing to do.
    let Some(Order::Prepare(sandbox)) = wire.receive()? else {
        return Ok(ExitCode::SUCCESS);
    };
    match entered.and_then(|()| Attempt::prepare(*sandbox, identity, supervisor)) {
        Ok((attempt, listener)) => attempt.play(wire, listener),
        Err(error) => {
            wire.send(&Word::Refused {
                by_task: error.by_task(),
                message: error.chain(),
            })?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Cuts the way of mounts back to the host and shows the attempt's processes in `/proc`.
fn enter() -> Result<(), Error> {
    let slave = MsFlags::MS_SLAVE | MsFlags::MS_REC;
    mount(NOTHING, "/", NOTHING, slave, NOTHING).doing(|| "keep mounts from the host")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, NOTHING).doing(|| "mount a /proc of its own")
}
