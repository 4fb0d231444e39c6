//! The socket to whoever owns the attempt.
//!
//! The first owner is the runner that started the supervisor; a later one connects to the socket in the
//! attempt's directory, and replaces the one before.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use tidemill_messages::frame;
use tidemill_messages::report::Answer;
use tidemill_messages::sandbox::{Order, Word};

use super::listener::Listener;
use super::outbox::Outbox;
use crate::error::{Doing, Error};
use crate::wire::Wire;

/// Bytes read from an owner at once.
const READ_BYTES: usize = 4096;

/// Owner and listener.
pub(super) struct Link {
    listener: Listener,
    owner: Option<Owner>,
    /// Since when there is no owner.
    pub(super) alone_since: Instant,
}

struct Owner {
    stream: UnixStream,
    reader: frame::Reader,
    unsent: Vec<u8>,
}

impl Link {
    /// With the first owner.
    pub(super) fn new(listener: Listener, wire: Wire, now: Instant) -> Result<Self, Error> {
        let (stream, reader) = wire.into_parts();
        stream.set_nonblocking(true).doing(|| "make the socket non-blocking")?;
        let owner = Owner {
            stream,
            reader,
            unsent: Vec::new(),
        };
        Ok(Self {
            listener,
            owner: Some(owner),
            alone_since: now,
        })
    }

    /// Whether somebody owns the attempt.
    pub(super) fn has_owner(&self) -> bool {
        self.owner.is_some()
    }

    /// Where a new owner knocks.
    pub(super) fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Leaves the socket in the directory from now on: a step may have started.
    pub(super) fn stay(&mut self) {
        self.listener.stay();
    }

    /// Whether a new owner finds it.
    pub(super) fn is_found(&self) -> bool {
        Path::new(self.listener.name()).exists()
    }

    /// Where the owner speaks.
    pub(super) fn owner(&self) -> Option<BorrowedFd<'_>> {
        self.owner.as_ref().map(|owner| owner.stream.as_fd())
    }

    /// Whether something waits for the owner to read.
    pub(super) fn is_behind(&self, outbox: &Outbox) -> bool {
        self.owner
            .as_ref()
            .is_some_and(|owner| !owner.unsent.is_empty() || outbox.has_unsent())
    }

    /// Takes new owners; the last one that knocked stays, and hears `greeting` and all that is not stored.
    /// Whether there is a new one.
    pub(super) fn accept(&mut self, outbox: &mut Outbox, greeting: &Word) -> Result<bool, Error> {
        let mut is_new = false;
        while let Ok(stream) = self.listener.accept() {
            stream.set_nonblocking(true).doing(|| "make the socket non-blocking")?;
            outbox.rewind();
            self.owner = Some(Owner {
                stream,
                reader: frame::Reader::default(),
                unsent: frame::encode(greeting).map_err(Error::Wire)?,
            });
            is_new = true;
        }
        Ok(is_new)
    }

    /// Says a word that is no report; without an owner it is for nobody.
    pub(super) fn say(&mut self, word: &Word) -> Result<(), Error> {
        if let Some(owner) = &mut self.owner {
            owner.unsent.extend(frame::encode(word).map_err(Error::Wire)?);
        }
        Ok(())
    }

    /// What the owner said. An owner that is gone or speaks nonsense is none any more.
    pub(super) fn hear(&mut self, now: Instant) -> Vec<Answer> {
        let Some(owner) = &mut self.owner else {
            return Vec::new();
        };
        let (answers, goes_on) = owner.hear();
        if !goes_on {
            self.lose(now);
        }
        answers
    }

    /// Sends what the owner's socket takes.
    pub(super) fn speak(&mut self, outbox: &mut Outbox, now: Instant) {
        let Some(owner) = &mut self.owner else { return };
        if owner.speak(outbox).is_err() {
            self.lose(now);
        }
    }

    /// The owner's socket for the next attempt, and the listener; `None` if the owner is gone or behind.
    pub(super) fn into_parts(self) -> Result<Option<(Wire, Listener)>, Error> {
        let Some(owner) = self.owner.filter(|owner| owner.unsent.is_empty()) else {
            return Ok(None);
        };
        owner
            .stream
            .set_nonblocking(false)
            .doing(|| "make the socket blocking")?;
        Ok(Some((Wire::from_parts(owner.stream, owner.reader), self.listener)))
    }

    fn lose(&mut self, now: Instant) {
        self.owner = None;
        self.alone_since = now;
    }
}

impl Owner {
    fn hear(&mut self) -> (Vec<Answer>, bool) {
        let mut answers = Vec::new();
        let mut goes_on = self.read();
        loop {
            match self.reader.take::<Order>() {
                Ok(Some(Order::Answer(answer))) => answers.push(answer),
                Ok(None) => return (answers, goes_on),
                Ok(Some(Order::Prepare(_))) | Err(_) => {
                    goes_on = false;
                    return (answers, goes_on);
                }
            }
        }
    }

    /// Reads what is there; whether the other side is still open.
    fn read(&mut self) -> bool {
        let mut bytes = [0; READ_BYTES];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(count) => self.reader.push(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }

    fn speak(&mut self, outbox: &mut Outbox) -> std::io::Result<()> {
        loop {
            if self.unsent.is_empty() {
                match outbox.next_unsent() {
                    Some(frame) => self.unsent.extend_from_slice(frame),
                    None => return Ok(()),
                }
            }
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}
