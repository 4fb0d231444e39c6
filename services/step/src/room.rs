//! A container of an engine that is not the supervisor's own: its first process.
//!
//! It starts the process that will become the container's program, hands its socket and pipes to the
//! supervisor, and says when it has ended. The supervisor then speaks with that process as if it had
//! started it. What the container leaves behind ends with the program, and all of it with the supervisor.

mod files;
mod wording;

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_dumpable;
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;
use tidemill_messages::sandbox::ROOMS;

use crate::error::{Doing, Error};
use crate::memory;
use crate::process;
use crate::sandbox::{Memory, Starting, sweep};
use crate::wire::Wire;

pub(crate) use files::{open_copy, receive_with_files, send_with_files};
pub(crate) use wording::{Arrival, RoomOrder, RoomWord};

/// How long the supervisor may take to be there.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(120);
/// Between two tries to reach it.
const RETRY: Duration = Duration::from_millis(5);

/// The first process of a container: `room <secret> [apart]`.
pub(crate) fn run() -> Result<ExitCode, Error> {
    let mut arguments = std::env::args().skip(2);
    let secret = arguments.next().unwrap_or_default();
    let is_apart = arguments.next().as_deref() == Some("apart");
    set_dumpable(false).doing(|| "keep this process from being read")?;
    let signals = process::child_signals()?;
    let stream = arrive()?;
    let (own, files) = Starting::start(is_apart, &Memory::of_container(), None)?.into_files();
    let arrival = Arrival { secret };
    send_with_files(&stream, &arrival, &files)?;
    drop(files);
    Room {
        own,
        signals,
        wire: Wire::new(stream),
    }
    .stay()
}

/// Connects to the supervisor, which is started at the same time.
fn arrive() -> Result<UnixStream, Error> {
    let path = Path::new("/tekton").join(ROOMS);
    let until = Instant::now() + ARRIVAL_LIMIT;
    loop {
        match UnixStream::connect(&path) {
            Err(_) if Instant::now() < until => sleep(RETRY),
            other => return other.doing(|| format!("reach the supervisor at {}", path.display())),
        }
    }
}

/// A container with its program's process.
struct Room {
    own: Pid,
    signals: SignalFd,
    wire: Wire,
}

impl Room {
    /// Until the program has ended or the supervisor is gone; the exit code is the program's.
    fn stay(mut self) -> Result<ExitCode, Error> {
        loop {
            self.wait()?;
            for (pid, code) in sweep::reap()? {
                if pid == self.own {
                    return self.leave(code);
                }
            }
            if has_word(&self.wire)
                && let Some(code) = self.hear()?
            {
                return self.leave(code);
            }
        }
    }

    fn wait(&self) -> Result<(), Error> {
        let mut files = [
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.wire.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut files, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(other) => return Err(other).doing(|| "wait for the program or the supervisor"),
        }
        while self.signals.read_signal().doing(|| "read from the signalfd")?.is_some() {}
        Ok(())
    }

    /// Does what the supervisor says; the program's exit code once it has been ended.
    fn hear(&mut self) -> Result<Option<i32>, Error> {
        // A supervisor that is gone, or speaks nonsense, takes the container with it.
        match self.wire.receive().ok().flatten() {
            Some(RoomOrder::Ask) => {
                sweep::ask_all();
                Ok(None)
            }
            Some(RoomOrder::Open { path }) => {
                self.open(&path)?;
                Ok(None)
            }
            Some(RoomOrder::End) | None => {
                let ended = sweep::end(&[])?;
                let own = ended.iter().find(|(pid, _)| *pid == self.own);
                Ok(Some(own.map_or(137, |(_, code)| *code)))
            }
        }
    }

    /// Opens a file for a copy of the output.
    fn open(&mut self, path: &str) -> Result<(), Error> {
        match files::open_copy("/", path) {
            Ok(file) => send_with_files(self.wire.stream(), &RoomWord::Opened { refusal: None }, &[file.into()]),
            Err(error) => {
                let refusal = Some(error.chain());
                send_with_files(self.wire.stream(), &RoomWord::Opened { refusal }, &[])
            }
        }
    }

    /// Ends all else and says how the program ended.
    fn leave(mut self, code: i32) -> Result<ExitCode, Error> {
        sweep::end(&[])?;
        let out_of_memory = memory::kills() > 0;
        // A supervisor that is gone needs no answer.
        drop(self.wire.send(&RoomWord::Ended { code, out_of_memory }));
        Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
    }
}

/// Whether the other side has said something or closed.
pub(crate) fn has_word(wire: &Wire) -> bool {
    let mut files = [PollFd::new(wire.as_fd(), PollFlags::POLLIN)];
    wire.has_read_ahead() || poll(&mut files, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}
