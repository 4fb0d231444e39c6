//! Frames over a blocking socket, between the roles of this binary.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::unistd::dup2_stdin;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidemill_messages::frame;

use crate::error::{Doing, Error};

/// Bytes read at once: most messages.
const READ_BYTES: usize = 4096;

/// One end of a socket, read frame by frame.
pub(crate) struct Wire {
    stream: UnixStream,
    reader: frame::Reader,
}

impl Wire {
    /// Over a connected socket.
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            reader: frame::Reader::default(),
        }
    }

    /// What [`Wire::into_parts`] gave.
    pub(crate) fn from_parts(stream: UnixStream, reader: frame::Reader) -> Self {
        Self { stream, reader }
    }

    /// Over the socket that is the standard input, which is then none: the other side is to see this one
    /// close.
    pub(crate) fn from_stdin() -> Result<Self, Error> {
        let socket = stdin_socket()?;
        let nothing = File::open("/dev/null").doing(|| "open /dev/null")?;
        dup2_stdin(&nothing).doing(|| "close standard input")?;
        Ok(Self::new(UnixStream::from(socket)))
    }

    /// Sends one message.
    pub(crate) fn send<T: Serialize>(&mut self, message: &T) -> Result<(), Error> {
        let bytes = frame::encode(message).map_err(Error::Wire)?;
        self.stream.write_all(&bytes).doing(|| "write to the socket")
    }

    /// The next message; `None` when the other side has closed.
    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        let mut bytes = [0; READ_BYTES];
        loop {
            if let Some(message) = self.reader.take().map_err(Error::Wire)? {
                return Ok(Some(message));
            }
            let count = self.stream.read(&mut bytes).doing(|| "read from the socket")?;
            if count == 0 {
                return Ok(None);
            }
            self.reader.push(&bytes[..count]);
        }
    }

    /// The socket itself.
    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Whether something was read that is not taken yet.
    pub(crate) fn has_read_ahead(&self) -> bool {
        !self.reader.is_empty()
    }

    /// The socket, to wait for.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// The socket and what was read ahead.
    pub(crate) fn into_parts(self) -> (UnixStream, frame::Reader) {
        (self.stream, self.reader)
    }
}

/// The socket that is the standard input, under a number of its own that is closed on exec.
pub(crate) fn stdin_socket() -> Result<OwnedFd, Error> {
    let stdin = std::io::stdin();
    stdin
        .as_fd()
        .try_clone_to_owned()
        .doing(|| "take the socket from standard input")
}
