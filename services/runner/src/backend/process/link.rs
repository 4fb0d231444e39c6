//! The socket to a supervisor.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use serde::Serialize;
use tidemill_messages::frame;
use tidemill_messages::sandbox::{ProcessIdentity, Word};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::directory::{self, Directory};
use super::place;
use crate::backend::Error;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// A connected socket and, once known, the process at its other end.
pub(super) struct Link {
    stream: UnixStream,
    reader: frame::Reader,
    process: Option<OwnedFd>,
}

/// The half that listens.
pub(super) struct Ear {
    stream: tokio::net::unix::OwnedReadHalf,
    reader: frame::Reader,
}

/// The half that speaks.
pub(super) struct Mouth {
    stream: tokio::net::unix::OwnedWriteHalf,
}

impl Link {
    /// Over the socket that a new supervisor got.
    pub(super) fn new(stream: std::os::unix::net::UnixStream) -> Result<Self, Error> {
        stream
            .set_nonblocking(true)
            .map_err(place("use the supervisor's socket"))?;
        let stream = UnixStream::from_std(stream).map_err(place("use the supervisor's socket"))?;
        Ok(Self {
            stream,
            reader: frame::Reader::default(),
            process: None,
        })
    }

    /// To a supervisor that runs; `None` if none listens.
    pub(super) async fn connect(directory: &Directory) -> Option<Self> {
        // The path of a Unix socket holds 107 bytes; this one is short wherever the directory is.
        let held = File::open(directory.path()).ok()?;
        let path = format!("/proc/self/fd/{}/socket", held.as_raw_fd());
        let stream = UnixStream::connect(path).await.ok()?;
        Some(Self {
            stream,
            reader: frame::Reader::default(),
            process: None,
        })
    }

    /// Takes a handle of the supervisor's process.
    pub(super) fn attach(&mut self, identity: ProcessIdentity) -> Result<(), Error> {
        let process = directory::open(&identity);
        self.process = Some(process.ok_or_else(|| place("watch the supervisor")("its process is gone"))?);
        Ok(())
    }

    /// Its next word; `None` when it has closed.
    pub(super) async fn receive(&mut self) -> Result<Option<Word>, Error> {
        next(&mut self.stream, &mut self.reader).await
    }

    /// The two halves and the process.
    pub(super) fn into_parts(self) -> Result<(Ear, Mouth, OwnedFd), Error> {
        let process = self
            .process
            .ok_or_else(|| place("watch the supervisor")("it did not say who it is"))?;
        let (read, write) = self.stream.into_split();
        let ear = Ear {
            stream: read,
            reader: self.reader,
        };
        Ok((ear, Mouth { stream: write }, process))
    }
}

impl Ear {
    /// The supervisor's next word; `None` when it has closed.
    pub(super) async fn receive(&mut self) -> Result<Option<Word>, Error> {
        next(&mut self.stream, &mut self.reader).await
    }
}

impl Mouth {
    /// Sends one message.
    pub(super) async fn send<T: Serialize>(&mut self, message: &T) -> Result<(), Error> {
        let bytes = frame::encode(message).map_err(place("speak to the supervisor"))?;
        self.stream
            .write_all(&bytes)
            .await
            .map_err(place("speak to the supervisor"))
    }
}

async fn next<R: AsyncReadExt + Unpin>(stream: &mut R, reader: &mut frame::Reader) -> Result<Option<Word>, Error> {
    let mut bytes = vec![0; READ_BYTES];
    loop {
        if let Some(word) = reader.take().map_err(place("understand the supervisor"))? {
            return Ok(Some(word));
        }
        let count = stream.read(&mut bytes).await.map_err(place("hear the supervisor"))?;
        if count == 0 {
            return Ok(None);
        }
        reader.push(&bytes[..count]);
    }
}
