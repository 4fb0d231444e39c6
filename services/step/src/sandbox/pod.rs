//! The supervisor as the first process of a container.
//!
//! Nothing is to be built: what its containers see is the engine's work. It listens in the directory
//! that the runner mounted for it, is told the sandbox by the first who comes, and ends with the attempt.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::prctl::set_dumpable;
use nix::sys::stat::{Mode, umask};
use tidemill_messages::sandbox::{Order, UNSTARTED, Word};

use super::Left;
use super::attempt::Attempt;
use super::listener::Listener;
use super::memory::Memory;
use crate::contain::{Identity, timeout_until};
use crate::error::{Doing, Error, refused};
use crate::process;
use crate::wire::Wire;

/// How long the runner may take to come: it waits for this container already.
const OWNER_LIMIT: Duration = Duration::from_secs(300);

/// Plays one attempt: `pod <directory>`.
pub(crate) fn run() -> Result<ExitCode, Error> {
    let directory = PathBuf::from(std::env::args().nth(2).unwrap_or_default());
    set_dumpable(false).doing(|| "keep this process from being read")?;
    // Modes are given with each directory.
    umask(Mode::empty());
    let mut listener = Listener::enter(&directory)?;
    // What it says of attempts in processes, the exit code says of this one.
    listener.stay();
    let Some(mut wire) = first_owner(&listener)? else {
        return Ok(ExitCode::from(UNSTARTED));
    };
    // A runner that ends before it has said what to play leaves nothing to do.
    let Some(Order::Prepare(mut sandbox)) = wire.receive()? else {
        return Ok(ExitCode::from(UNSTARTED));
    };
    sandbox.directory = directory;
    match Attempt::prepare_in_container(*sandbox, listener) {
        Ok((attempt, listener)) => match attempt.play(wire, listener)? {
            Left::Over(code) => Ok(code),
            Left::Free(..) => Ok(ExitCode::SUCCESS),
        },
        Err(error) => {
            wire.send(&refused(&error))?;
            Err(error)
        }
    }
}

impl Attempt {
    fn prepare_in_container(
        sandbox: tidemill_messages::sandbox::Sandbox,
        listener: Listener,
    ) -> Result<(Self, Listener), Error> {
        let attempt = Self::assemble(sandbox, Identity::Container, Memory::of_container(), None)?;
        Ok((attempt, listener))
    }
}

fn first_owner(listener: &Listener) -> Result<Option<Wire>, Error> {
    let until = Instant::now() + OWNER_LIMIT;
    let mut files = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    if poll(&mut files, timeout_until(until)).doing(|| "wait for the runner")? == 0 {
        return Ok(None);
    }
    let stream = listener.accept().doing(|| "let the runner in")?;
    stream.set_nonblocking(false).doing(|| "make the socket blocking")?;
    let mut wire = Wire::new(stream);
    // Who comes to adopt learns at once that there is nothing to adopt.
    let supervisor = process::identity()?;
    wire.send(&Word::Free {
        supervisor,
        socket: None,
    })?;
    Ok(Some(wire))
}
