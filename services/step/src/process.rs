//! This process and its children.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use fork::{Fork, fork};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};
use tidemill_messages::sandbox::ProcessIdentity;

use crate::error::{Doing, Error};

/// Exit code of a container whose program is not found.
pub(crate) const NOT_FOUND: u8 = 127;
/// Exit code of a container whose program cannot be run.
pub(crate) const NOT_RUN: u8 = 126;

/// This binary again, in another role, talking over `socket`.
pub(crate) fn again(role: &[OsString], socket: OwnedFd, stdout: Stdio, stderr: Stdio) -> Result<Child, Error> {
    // Not by path: the file may have been replaced since.
    Command::new("/proc/self/exe")
        .args(role)
        .stdin(socket)
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .doing(|| {
            format!(
                "start `tidemill-step {}`",
                role.first().unwrap_or(&OsString::new()).display()
            )
        })
}

/// This process a second time, with all it knows and holds open; `None` in the new one. It costs a third of what
/// [`again`] does, since nothing has to be loaded. To be called where the caller's holdings are few and are dropped on the way
/// back, and by a process without a second thread, as all roles are.
pub(crate) fn split() -> io::Result<Option<Pid>> {
    match fork()? {
        Fork::Parent(pid) => Ok(Some(Pid::from_raw(pid))),
        Fork::Child => Ok(None),
    }
}

/// Becomes a program with nothing blocked: it would inherit what this process blocks, and not hear that its children have
/// ended or that it is to end. Comes back only with the reason why not.
pub(crate) fn replace(command: &mut Command) -> io::Error {
    match SigSet::empty().thread_set_mask() {
        Ok(()) => command.exec(),
        Err(errno) => errno.into(),
    }
}

/// Starts a program as [`replace`] does. By a process without a second thread.
pub(crate) fn spawn(command: &mut Command) -> io::Result<Pid> {
    let (told, tell) = pipe2(OFlag::O_CLOEXEC)?;
    let Some(pid) = split()? else {
        let code = replace(command).raw_os_error().unwrap_or(Errno::EINVAL as i32);
        drop(File::from(tell).write_all(&code.to_le_bytes()));
        std::process::exit(i32::from(NOT_RUN))
    };
    drop(tell);
    let mut code = [0; 4];
    match File::from(told).read_exact(&mut code) {
        // It was closed by becoming the program.
        Err(_) => Ok(pid),
        Ok(()) => {
            waitpid(pid, None)?;
            Err(io::Error::from_raw_os_error(i32::from_le_bytes(code)))
        }
    }
}

/// Ends of children as a file descriptor. They are blocked from then on: see [`replace`].
pub(crate) fn child_signals() -> Result<SignalFd, Error> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    set.thread_block().doing(|| "block SIGCHLD")?;
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).doing(|| "open a signalfd")
}

/// Exit code as a shell has it; `None` if it has not ended.
pub(crate) fn exit_code(status: WaitStatus) -> Option<i32> {
    match status {
        WaitStatus::Exited(_, code) => Some(code),
        WaitStatus::Signaled(_, signal, _) => Some(128 + signal as i32),
        _ => None,
    }
}

/// Who this process is to the host: to be called while `/proc` is still the host's.
pub(crate) fn identity() -> Result<ProcessIdentity, Error> {
    let own = fs::read_link("/proc/self").doing(|| "read /proc/self")?;
    let pid: i32 = own.to_string_lossy().parse().unwrap_or(0);
    let stat = fs::read_to_string("/proc/self/stat").doing(|| "read /proc/self/stat")?;
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").doing(|| "read the boot id")?;
    Ok(ProcessIdentity {
        pid,
        start_ticks: stat_field(&stat, 22).and_then(|text| text.parse().ok()).unwrap_or(0),
        boot_id: boot_id.trim().to_owned(),
    })
}

/// Field `number`, from 3, of a line of `/proc/<pid>/stat`. The second is a name in parentheses that
/// may hold anything.
pub(crate) fn stat_field(stat: &str, number: usize) -> Option<&str> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(number.checked_sub(3)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) R 1 b) S 4 7 7 0";
        assert_eq!(stat_field(stat, 3), Some("S"));
        assert_eq!(stat_field(stat, 4), Some("4"));
        assert_eq!(stat_field("7", 4), None);
    }
}
