//! A process by id and start time: ids are given again, the pair is not.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Which field of `/proc/<pid>/stat` is the start time, counted after the name in parentheses.
const START_TIME_FIELD: usize = 19;

/// A process of this machine since its last start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Process {
    /// Its id.
    pub(crate) pid: i32,
    /// Clock ticks from the machine's start to its own.
    pub(crate) start_time: u64,
}

impl Process {
    /// This process.
    pub(crate) fn own() -> Self {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        Self {
            pid,
            start_time: start_time(pid).unwrap_or(0),
        }
    }

    /// The living process with this id.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        start_time(pid).map(|start_time| Self { pid, start_time })
    }

    /// Whether it still lives, and is no zombie.
    pub(crate) fn is_alive(&self) -> bool {
        start_time(self.pid) == Some(self.start_time)
    }

    /// Sends `signal`; a process that is gone is no error.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.is_alive()) {
            // It may end in this instant, which is what signals are for.
            let _gone = rustix::process::kill_process(pid, signal);
        }
    }

    /// Returns when it is gone, also when it is not our child.
    ///
    /// # Errors
    /// When the kernel has no pidfd (before 5.3) or refuses it.
    pub(crate) async fn gone(&self) -> std::io::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.is_alive()) else {
            return Ok(());
        };
        let fd: OwnedFd = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => fd,
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if !self.is_alive() {
            return Ok(());
        }
        #[expect(
            deprecated,
            reason = "its successor is unsafe, as a file may be closed early: an OwnedFd is not"
        )]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        fd.readable().await.map(drop)
    }
}

/// The start time of a living process; a zombie does not live.
fn start_time(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, parentheses too: what follows the last one counts.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(START_TIME_FIELD - 1))??.parse().ok()
}

#[cfg(test)]
mod tests {
    use rustix::process::Signal;

    use super::Process;

    #[test]
    fn this_process_lives_and_its_namesake_does_not() {
        let own = Process::own();
        assert!(own.is_alive() && own.start_time > 0);
        assert_eq!(Process::of(own.pid), Some(own));
        assert!(
            !Process {
                start_time: own.start_time + 1,
                ..own
            }
            .is_alive()
        );
    }

    #[tokio::test]
    async fn the_end_of_a_process_is_noticed() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let process = Process::of(i32::try_from(child.id()).unwrap()).unwrap();
        process.signal(Signal::TERM);
        process.gone().await.unwrap();
        child.wait().unwrap();
        assert!(!process.is_alive());
        process.gone().await.unwrap();
    }
}
