//! A sidecar: its program is a child, watched and asked whether it is ready.

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::launch::{command, refuse};
use super::order::{Launch, Word};
use super::probe::Prober;
use crate::error::{Doing, Error};
use crate::process::{child_signals, exit_code, spawn};
use crate::wire::Wire;

/// Runs the program until it ends; its exit code is this process's. Orphans of its own stay below
/// this process.
pub(super) fn run(wire: &mut Wire, launch: &Launch) -> Result<ExitCode, Error> {
    set_child_subreaper(true).doing(|| "become the parent of orphans")?;
    let signals = child_signals()?;
    let program = match spawn(&mut command(launch)?) {
        Ok(pid) => pid,
        Err(error) => return refuse(wire, launch, &error),
    };
    let mut probes = launch.probes.iter();
    let mut next_prober = || {
        let probe = probes.next()?;
        Some(Prober::new(probe.clone(), launch.clone(), Instant::now()))
    };
    let mut prober = next_prober();
    if prober.is_none() {
        wire.send(&Word::Ready)?;
    }
    loop {
        wait(&signals, prober.as_ref().map(Prober::next_at))?;
        while let Some((pid, code)) = reap()? {
            if pid == program {
                return Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)));
            }
            if let Some(prober) = &mut prober {
                prober.ended(pid, code == 0, Instant::now());
            }
        }
        if prober.as_mut().is_some_and(|prober| prober.is_ready(Instant::now())) {
            prober = next_prober();
            if prober.is_none() {
                wire.send(&Word::Ready)?;
            }
        }
    }
}

fn wait(signals: &SignalFd, until: Option<Instant>) -> Result<(), Error> {
    let timeout = until.map_or(PollTimeout::NONE, timeout_until);
    let mut files = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    match poll(&mut files, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(other) => return Err(other).doing(|| "wait for the sidecar"),
    }
    while signals.read_signal().doing(|| "read from the signalfd")?.is_some() {}
    Ok(())
}

/// The time until `instant`, rounded up to milliseconds.
pub(crate) fn timeout_until(instant: Instant) -> PollTimeout {
    let rest = instant.saturating_duration_since(Instant::now());
    PollTimeout::try_from(rest + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX)
}

fn reap() -> Result<Option<(Pid, i32)>, Error> {
    match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
        Ok(status) => Ok(status.pid().zip(exit_code(status))),
        Err(Errno::ECHILD) => Ok(None),
        Err(other) => Err(other).doing(|| "wait for the sidecar"),
    }
}
