//! The program of a step, and everything it leaves behind.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::error::{Doing, Error};
use crate::outputs::Outputs;
use crate::process::{self, NOT_FOUND, NOT_RUN, exit_code, spawn};

/// Exit code after SIGTERM.
pub(super) const TERMINATED: u8 = 143;

/// Ends of children, and the wish of others that we end, as a file descriptor.
pub(super) fn signals() -> Result<SignalFd, Error> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
        set.add(signal);
    }
    set.thread_block().doing(|| "block signals")?;
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).doing(|| "open a signalfd")
}

/// A program that runs.
pub(super) struct Child {
    pid: Pid,
    /// Its exit code, once it has ended.
    pub(super) code: Option<i32>,
}

/// Why a program does not run: exit code as a shell's, and words.
pub(super) struct NotRun {
    pub(super) code: u8,
    pub(super) message: String,
}

impl Child {
    /// Starts it in a process group of its own. `apart`: output and errors through pipes of their own.
    pub(super) fn start(
        argv: &[String],
        environment: &[(String, String)],
        apart: bool,
    ) -> Result<Result<(Self, Vec<File>), NotRun>, Error> {
        let Some((program, arguments)) = argv.split_first() else {
            return Ok(Err(NotRun {
                code: NOT_RUN,
                message: "there is no command to run: the image has no entrypoint that could be looked up; give the \
                          step a `command` or a `script`"
                    .to_owned(),
            }));
        };
        let Outputs { pipes, output, errors } = Outputs::open(apart)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0);
        match spawn(&mut command) {
            Ok(pid) => Ok(Ok((Self { pid, code: None }, pipes))),
            Err(error) => Ok(Err(not_run(program, &error))),
        }
    }

    /// Takes notice of what has ended, orphans included.
    pub(super) fn reap(&mut self) -> Result<(), Error> {
        loop {
            match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                Ok(status) => match status.pid() {
                    None => return Ok(()),
                    Some(pid) if pid == self.pid => self.code = self.code.or(exit_code(status)),
                    Some(_) => {}
                },
                Err(Errno::ECHILD) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(other) => return Err(other).doing(|| "wait for children"),
            }
        }
    }

    /// Asks the program and what belongs to it to end.
    pub(super) fn ask(&self) {
        sent(killpg(self.pid, Signal::SIGTERM));
    }

    /// Ends the program and everything it left: all of the container where we are its first process,
    /// else (a pod that shares process ids) its process group.
    pub(super) fn end(&self) {
        if Pid::this().as_raw() == 1 {
            sent(kill(Pid::from_raw(-1), Signal::SIGKILL));
        } else {
            sent(killpg(self.pid, Signal::SIGKILL));
        }
    }
}

/// A process that is already gone has had its signal.
fn sent(outcome: Result<(), Errno>) {
    debug_assert!(matches!(outcome, Ok(()) | Err(Errno::ESRCH)), "{outcome:?}");
}

/// Becomes the program; comes back only with the reason why not.
pub(super) fn replace(argv: &[String]) -> Error {
    let Some((program, arguments)) = argv.split_first() else {
        return Error::task("there is no command to run");
    };
    let error = process::replace(Command::new(program).args(arguments));
    Error::task(not_run(program, &error).message)
}

fn not_run(program: &str, error: &std::io::Error) -> NotRun {
    let missing = error.kind() == ErrorKind::NotFound;
    let message = if missing && program.contains('/') && std::path::Path::new(program).exists() {
        format!("cannot run `{program}`: the interpreter it names is not in the image")
    } else if missing {
        format!("cannot run `{program}`: there is no such program in the image")
    } else {
        format!("cannot run `{program}`: {error}")
    };
    NotRun {
        code: if missing { NOT_FOUND } else { NOT_RUN },
        message,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn said_by(argv: &[&str]) -> Result<String, NotRun> {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let path = ("PATH".to_owned(), std::env::var("PATH").unwrap());
        let (child, pipes) = Child::start(&argv, &[path], false).unwrap()?;
        waitpid(child.pid, None).unwrap();
        let mut text = String::new();
        pipes
            .into_iter()
            .for_each(|mut pipe| drop(pipe.read_to_string(&mut text)));
        Ok(text)
    }

    #[test]
    fn a_program_does_not_inherit_what_is_blocked_here() {
        let _signals = signals().unwrap();
        let said = said_by(&["grep", "SigBlk", "/proc/self/status"]).ok().unwrap();
        assert_eq!(said.trim(), "SigBlk:\t0000000000000000");
    }

    #[test]
    fn a_program_that_cannot_be_run_is_told_of() {
        let missing = said_by(&["no-such-program"]).unwrap_err();
        assert_eq!(missing.code, NOT_FOUND);
        let directory = said_by(&["/"]).unwrap_err();
        assert!(
            directory.code == NOT_RUN && directory.message.contains("denied"),
            "{}",
            directory.message
        );
    }
}
