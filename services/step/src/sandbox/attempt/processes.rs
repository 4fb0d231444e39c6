//! The processes of an attempt, wherever they are: below this one, or in containers of an engine.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Attempt;
use crate::error::{Doing, Error};
use crate::memory;
use crate::sandbox::sweep::{self, Ended};

impl Attempt {
    /// Containers that have ended since the last look.
    pub(super) fn ended(&mut self) -> Result<Ended, Error> {
        let mut ended = sweep::reap()?;
        if let Some(rooms) = &mut self.rooms {
            ended.extend(rooms.ended());
        }
        Ok(ended)
    }

    /// Ends everything but what is below `spared`, and waits until it is gone. Without any to spare, also
    /// what waits for its turn.
    pub(super) fn end_all(&mut self, spared: &[Pid]) -> Result<Ended, Error> {
        match &mut self.rooms {
            Some(rooms) => Ok(rooms.end(spared, spared.is_empty())),
            None => sweep::end(spared),
        }
    }

    /// Ends what a step has left behind, but what is below `spared`, and waits until it is gone.
    pub(super) fn end_rest(&mut self, spared: &[Pid]) -> Result<Ended, Error> {
        match &mut self.rooms {
            Some(rooms) => Ok(rooms.end(spared, false)),
            None => sweep::end(spared),
        }
    }

    /// Asks every process to end.
    pub(super) fn ask_all(&mut self) {
        match &mut self.rooms {
            Some(rooms) => rooms.ask_all(),
            None => sweep::ask_all(),
        }
    }

    /// Ends the program of the step that runs. In a room its end comes with that of the rest.
    pub(super) fn kill_step(&self) -> Result<(), Error> {
        let running = self.step.as_ref().filter(|step| step.code.is_none());
        let Some(running) = running.filter(|_| self.rooms.is_none()) else {
            return Ok(());
        };
        match kill(running.contained.pid, Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(other) => Err(other).doing(|| "end a step"),
        }
    }

    /// Whether the kernel ended the container at `position`, or a process of it, for want of memory.
    pub(super) fn is_out_of_memory(&self, position: usize) -> bool {
        match &self.rooms {
            Some(rooms) => rooms.is_out_of_memory(position),
            None => self.is_container() && memory::kills() > 0,
        }
    }
}
