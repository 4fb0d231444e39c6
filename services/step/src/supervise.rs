//! From the runner's child to PID 1 of an attempt.
//!
//! As root the namespaces belong to the machine's own user namespace and the steps get a full
//! identity map. As an ordinary user (or as root where that is not allowed, as in many containers) a
//! user namespace comes first, in which the user is root; steps get back their own uid later.

use std::fs;
use std::process::{ExitCode, Stdio};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid, setsid};

use crate::contain::Identity;
use crate::error::{Doing, Error, refused};
use crate::process;
use crate::wire::{self, Wire};

/// Leaves the runner's session, makes the namespaces, starts their PID 1 and ends: the attempt has no
/// parent that could take it along. What does not work is told on the socket.
pub(crate) fn run() -> Result<ExitCode, Error> {
    match start() {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            Wire::from_stdin()?.send(&refused(&error))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn start() -> Result<(), Error> {
    let socket = wire::stdin_socket()?;
    setsid().doing(|| "leave the runner's session")?;
    let identity = enter()?;
    let place = std::env::args_os().nth(2).unwrap_or_default();
    let role = ["sandbox".into(), identity.to_string().into(), place];
    let supervisor = process::again(&role, socket, Stdio::inherit(), Stdio::inherit())?;
    drop(supervisor);
    Ok(())
}

fn enter() -> Result<Identity, Error> {
    let places = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID;
    let (uid, gid) = (getuid(), getgid());
    if uid.is_root() {
        match unshare(places) {
            Ok(()) => return Ok(Identity::Full),
            Err(Errno::EPERM) => {}
            Err(other) => return Err(other).doing(|| "make a mount and a PID namespace"),
        }
    }
    unshare(places | CloneFlags::CLONE_NEWUSER).doing(|| "make a user, a mount and a PID namespace")?;
    map_root(uid.as_raw(), gid.as_raw())?;
    Ok(Identity::Single {
        uid: uid.as_raw(),
        gid: gid.as_raw(),
    })
}

/// Makes this process root in its user namespace.
fn map_root(uid: u32, gid: u32) -> Result<(), Error> {
    write_map("setgroups", "deny")?;
    write_map("gid_map", &format!("0 {gid} 1"))?;
    write_map("uid_map", &format!("0 {uid} 1"))
}

/// Writes one of the files that say who is who in the own user namespace.
pub(crate) fn write_map(file: &str, text: &str) -> Result<(), Error> {
    fs::write(format!("/proc/self/{file}"), text).doing(|| format!("write `{text}` to /proc/self/{file}"))
}
