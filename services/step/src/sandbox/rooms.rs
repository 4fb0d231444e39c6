//! The containers of an engine, each with a first process of its own (`room`), seen from `pod`.
//!
//! A container comes in at a socket in `/tekton` and is known by its secret; a second one of the same
//! secret is not let in. Its program's process is spoken with as if it had been started here; only its end
//! is told by the room, and asked of it. The numbers those processes have here belong to no process.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use tidemill_messages::sandbox::ROOMS;

use super::contained::Starting;
use super::sweep::Ended;
use crate::contain::timeout_until;
use crate::error::{Doing, Error};
use crate::room::{Arrival, RoomOrder, RoomWord, has_word, receive_with_files};
use crate::wire::Wire;

/// Numbers above those the kernel gives.
const NO_PROCESS: i32 = 1 << 24;
/// How long the containers an attempt begins with may take to come in.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(120);
/// How long a container that is to end may take; its engine ends it then.
const END_LIMIT: Duration = Duration::from_secs(10);
/// How long a first word may take.
const WORD_LIMIT: Duration = Duration::from_secs(2);
/// Exit code of a container that is gone without a word.
const GONE: i32 = 137;

/// All containers but the supervisor's own.
pub(super) struct Rooms {
    listener: UnixListener,
    rooms: Vec<Room>,
}

struct Room {
    secret: String,
    state: State,
    out_of_memory: bool,
}

enum State {
    /// It has not come in.
    Away,
    /// Its program's process waits to be built.
    Waiting(Wire, Box<Starting>),
    /// That process was taken.
    Taken(Wire),
    /// It has ended.
    Over,
}

impl Rooms {
    /// Lets in who knows one of these secrets.
    pub(super) fn open(secrets: &[String]) -> Result<Self, Error> {
        let path = Path::new("/tekton").join(ROOMS);
        let listener = UnixListener::bind(&path).doing(|| format!("listen at {}", path.display()))?;
        listener
            .set_nonblocking(true)
            .doing(|| "make the listener non-blocking")?;
        let rooms = secrets.iter().map(|secret| Room {
            secret: secret.clone(),
            state: State::Away,
            out_of_memory: false,
        });
        Ok(Self {
            listener,
            rooms: rooms.collect(),
        })
    }

    /// What to wait for.
    pub(super) fn files(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let wires = self.rooms.iter().filter_map(|room| room.wire().map(Wire::as_fd));
        std::iter::once(self.listener.as_fd()).chain(wires)
    }

    /// Lets in who knocks.
    pub(super) fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            // Who does not speak as agreed is none of ours.
            if let Ok(Some((arrival, files))) = first_word(&stream) {
                self.enter(&arrival, stream, files);
            }
        }
    }

    fn enter(&mut self, arrival: &Arrival, stream: UnixStream, files: Vec<std::os::fd::OwnedFd>) {
        let known = |room: &Room| room.secret == arrival.secret && matches!(room.state, State::Away);
        let Some(position) = self.rooms.iter().position(known) else {
            return;
        };
        if let Some(starting) = Starting::from_files(pid_of(position), files) {
            self.rooms[position].state = State::Waiting(Wire::new(stream), Box::new(starting));
        }
    }

    /// Waits until the containers at `positions` have come in.
    pub(super) fn wait_for(&mut self, positions: impl Iterator<Item = usize> + Clone) -> Result<(), Error> {
        let until = Instant::now() + ARRIVAL_LIMIT;
        loop {
            self.accept();
            if positions.clone().all(|position| self.has_come(position)) {
                return Ok(());
            }
            let mut files = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
            match poll(&mut files, timeout_until(until)).doing(|| "wait for a container")? {
                0 => return Err(late()),
                _ => continue,
            }
        }
    }

    /// Whether the container has come in, at any time.
    pub(super) fn has_come(&self, position: usize) -> bool {
        self.rooms
            .get(position)
            .is_some_and(|room| !matches!(room.state, State::Away))
    }

    /// Its program's process, once.
    pub(super) fn take(&mut self, position: usize) -> Option<Starting> {
        let room = self.rooms.get_mut(position)?;
        match std::mem::replace(&mut room.state, State::Over) {
            State::Waiting(wire, starting) => {
                room.state = State::Taken(wire);
                Some(*starting)
            }
            other => {
                room.state = other;
                None
            }
        }
    }

    /// Containers that have ended, as children would be.
    pub(super) fn ended(&mut self) -> Ended {
        let mut ended = Vec::new();
        for (position, room) in self.rooms.iter_mut().enumerate() {
            if room.wire().is_some_and(has_word) {
                ended.extend(room.hear_end().map(|code| (pid_of(position), code)));
            }
        }
        ended
    }

    /// Ends all containers in which a program may run but those of `spared`, and waits for them. With
    /// `all`, also those that wait for their turn.
    pub(super) fn end(&mut self, spared: &[Pid], all: bool) -> Ended {
        let to_end = |position: usize, room: &Room| {
            let is_meant = all || matches!(room.state, State::Taken(_));
            is_meant && !spared.contains(&pid_of(position))
        };
        let mut ended = Vec::new();
        for (position, room) in self.rooms.iter_mut().enumerate() {
            if to_end(position, room) {
                room.say(&RoomOrder::End);
            }
        }
        for (position, room) in self.rooms.iter_mut().enumerate() {
            if to_end(position, room) && room.wire().is_some() {
                ended.push((pid_of(position), room.wait_end()));
            }
        }
        ended
    }

    /// Asks every process of every container to end.
    pub(super) fn ask_all(&mut self) {
        self.rooms.iter_mut().for_each(|room| room.say(&RoomOrder::Ask));
    }

    /// Whether the kernel ended the container, or a process of it, for want of memory.
    pub(super) fn is_out_of_memory(&self, position: usize) -> bool {
        self.rooms.get(position).is_some_and(|room| room.out_of_memory)
    }

    /// Opens a file for a copy of the output, in the container.
    pub(super) fn open_copy(&mut self, position: usize, path: &str) -> Result<std::fs::File, Error> {
        let room = &mut self.rooms[position];
        room.say(&RoomOrder::Open { path: path.to_owned() });
        let wire = room.wire().ok_or_else(gone)?;
        match receive_with_files(wire.stream())? {
            Some((RoomWord::Opened { refusal: None }, files)) => {
                let file = files.into_iter().next().ok_or_else(gone)?;
                Ok(file.into())
            }
            Some((RoomWord::Opened { refusal: Some(refusal) }, _)) => Err(Error::task(refusal)),
            _ => Err(gone()),
        }
    }
}

impl Room {
    fn wire(&self) -> Option<&Wire> {
        match &self.state {
            State::Waiting(wire, _) | State::Taken(wire) => Some(wire),
            State::Away | State::Over => None,
        }
    }

    /// To a room that is gone there is nothing to say; its end is heard.
    fn say(&mut self, order: &RoomOrder) {
        if let State::Waiting(wire, _) | State::Taken(wire) = &mut self.state {
            drop(wire.send(order));
        }
    }

    /// The next word, which is its last, or its silence.
    fn hear_end(&mut self) -> Option<i32> {
        let (State::Waiting(wire, _) | State::Taken(wire)) = &mut self.state else {
            return None;
        };
        let code = match wire.receive() {
            Ok(Some(RoomWord::Ended { code, out_of_memory })) => {
                self.out_of_memory = out_of_memory;
                code
            }
            Ok(Some(RoomWord::Opened { .. })) => return None,
            Ok(None) | Err(_) => GONE,
        };
        self.state = State::Over;
        Some(code)
    }

    fn wait_end(&mut self) -> i32 {
        let until = Instant::now() + END_LIMIT;
        while let Some(wire) = self.wire() {
            let mut files = [PollFd::new(wire.as_fd(), PollFlags::POLLIN)];
            let came = wire.has_read_ahead() || poll(&mut files, timeout_until(until)).is_ok_and(|count| count > 0);
            if let Some(code) = if came { self.hear_end() } else { None } {
                return code;
            }
            if Instant::now() >= until {
                self.state = State::Over;
            }
        }
        GONE
    }
}

/// The number that stands for a container's process.
fn pid_of(position: usize) -> Pid {
    Pid::from_raw(NO_PROCESS + i32::try_from(position).unwrap_or(0))
}

fn first_word(stream: &UnixStream) -> Result<Option<(Arrival, Vec<std::os::fd::OwnedFd>)>, Error> {
    stream.set_nonblocking(false).doing(|| "make the socket blocking")?;
    let mut files = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
    let limit = PollTimeout::try_from(WORD_LIMIT).unwrap_or(PollTimeout::MAX);
    match poll(&mut files, limit).doing(|| "wait for a container's word")? {
        0 => Ok(None),
        _ => receive_with_files(stream),
    }
}

fn late() -> Error {
    Error::Place {
        action: "wait for the containers to come in".to_owned(),
        source: std::io::Error::from(std::io::ErrorKind::TimedOut),
    }
}

fn gone() -> Error {
    Error::task("the container ended before its program was run")
}
