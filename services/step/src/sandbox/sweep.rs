//! Ending processes.
//!
//! Everything of an attempt is below this process, PID 1: what leaves its parent comes to it. So
//! without sidecars one signal to all ends a step, atomically. With sidecars the processes to spare
//! are those below the sidecars' own, and the rest is looked for until there is none.

use std::collections::{HashMap, HashSet};
use std::fs;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::error::{Doing, Error};
use crate::process::{exit_code, stat_field};

/// Rounds of looking for processes before sidecars are ended with them: what starts new processes
/// faster than they are found ends that way.
const ROUNDS: usize = 200;
/// Every process this one may signal.
const EVERYBODY: Pid = Pid::from_raw(-1);

/// Children that ended, with their exit codes.
pub(crate) type Ended = Vec<(Pid, i32)>;

/// Takes notice of the children that have ended.
pub(crate) fn reap() -> Result<Ended, Error> {
    let mut ended = Vec::new();
    while let Some(next) = wait(Some(WaitPidFlag::WNOHANG))? {
        ended.extend(next);
    }
    Ok(ended)
}

/// Ends all processes but those below `spared`, and waits until they are gone.
pub(crate) fn end(spared: &[Pid]) -> Result<Ended, Error> {
    let mut ended = Vec::new();
    let mut stopped = HashSet::new();
    for _ in 0..ROUNDS {
        if spared.is_empty() {
            break;
        }
        let others = others(spared)?;
        if others.is_empty() {
            ended.extend(reap()?);
            return Ok(ended);
        }
        // All are stopped before the first is ended: none starts another meanwhile, or has a last word
        // about the end of its child.
        let moving: Vec<Pid> = others.iter().copied().filter(|pid| stopped.insert(*pid)).collect();
        if moving.is_empty() {
            others.into_iter().for_each(|pid| signal(pid, Signal::SIGKILL));
            ended.extend(wait(None)?.flatten());
        } else {
            moving.into_iter().for_each(|pid| signal(pid, Signal::SIGSTOP));
        }
    }
    signal(EVERYBODY, Signal::SIGKILL);
    while let Some(next) = wait(None)? {
        ended.extend(next);
    }
    Ok(ended)
}

/// Asks every process to end.
pub(crate) fn ask_all() {
    signal(EVERYBODY, Signal::SIGTERM);
}

/// A process that is already gone has had its signal.
fn signal(pid: Pid, signal: Signal) {
    let sent = kill(pid, signal);
    debug_assert!(matches!(sent, Ok(()) | Err(Errno::ESRCH)), "{sent:?}");
}

/// `None` when there are no children (or, without waiting, none that ended).
fn wait(flags: Option<WaitPidFlag>) -> Result<Option<Option<(Pid, i32)>>, Error> {
    loop {
        return match waitpid(None::<Pid>, flags) {
            Ok(status) => match (status.pid(), flags) {
                (None, Some(_)) => Ok(None),
                (pid, _) => Ok(Some(pid.zip(exit_code(status)))),
            },
            Err(Errno::ECHILD) => Ok(None),
            Err(Errno::EINTR) => continue,
            Err(other) => Err(other).doing(|| "wait for children"),
        };
    }
}

/// Processes that are neither this one nor below one of `spared`.
fn others(spared: &[Pid]) -> Result<Vec<Pid>, Error> {
    let parents = parents()?;
    let is_spared = |pid: Pid| {
        let mut at = pid;
        // As long as the chain can be: a parent that ended meanwhile breaks it.
        for _ in 0..parents.len() {
            if spared.contains(&at) {
                return true;
            }
            match parents.get(&at) {
                Some(parent) => at = *parent,
                None => return false,
            }
        }
        false
    };
    let own = Pid::this();
    Ok(parents
        .keys()
        .copied()
        .filter(|pid| *pid != own && !is_spared(*pid))
        .collect())
}

fn parents() -> Result<HashMap<Pid, Pid>, Error> {
    let mut parents = HashMap::new();
    for entry in fs::read_dir("/proc").doing(|| "list /proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let parent = stat_field(&stat, 4).and_then(|field| field.parse().ok()).unwrap_or(0);
        parents.insert(Pid::from_raw(pid), Pid::from_raw(parent));
    }
    Ok(parents)
}
