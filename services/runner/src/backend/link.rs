//! The socket to a supervisor.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tidemill_messages::frame;
use tidemill_messages::sandbox::{Word, socket_in};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use super::{Error, place};

/// Bytes read at once.
const READ_BYTES: usize = 8 * 1024;
/// How long a supervisor may take to greet, or to die.
const GREETING_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks at one that closes its socket.
const LOOK: Duration = Duration::from_millis(20);

/// A connected socket.
pub(super) struct Link {
    stream: UnixStream,
    reader: frame::Reader,
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
    /// Over a socket that is connected; what was read ahead of it is in `reader`.
    pub(super) fn new(stream: std::os::unix::net::UnixStream, reader: frame::Reader) -> Result<Self, Error> {
        stream
            .set_nonblocking(true)
            .map_err(place("use the supervisor's socket"))?;
        let stream = UnixStream::from_std(stream).map_err(place("use the supervisor's socket"))?;
        Ok(Self { stream, reader })
    }

    /// To the supervisor that listens in `directory`; `None` if none does.
    pub(super) async fn connect(directory: &Path) -> Option<Self> {
        Self::connect_to(directory, &socket_in(directory)).await
    }

    /// The same at this socket in it.
    pub(super) async fn connect_to(directory: &Path, socket: &str) -> Option<Self> {
        // The path of a Unix socket holds 107 bytes; this one is short wherever the directory is.
        let held = File::open(directory).ok()?;
        let path = format!("/proc/self/fd/{}/{socket}", held.as_raw_fd());
        let stream = UnixStream::connect(path).await.ok()?;
        Some(Self {
            stream,
            reader: frame::Reader::default(),
        })
    }

    /// Whether nobody listens in `directory`, where somebody did: its supervisor is dead. One that lives greets who
    /// connects, and may lose its owner to this question; one that dies is still connected to for a moment.
    pub(super) async fn is_deserted(directory: &Path) -> bool {
        let question = async {
            while let Some(mut link) = Self::connect(directory).await {
                if let Ok(Some(_)) = link.receive().await {
                    return false;
                }
                // Closed without a word: by a death, or by somebody else's question.
                sleep(LOOK).await;
            }
            true
        };
        timeout(GREETING_LIMIT, question).await.unwrap_or(false)
    }

    /// Sends one message.
    pub(super) async fn send<T: Serialize>(&mut self, message: &T) -> Result<(), Error> {
        send(&mut self.stream, message).await
    }

    /// Its next word; `None` when it has closed.
    pub(super) async fn receive(&mut self) -> Result<Option<Word>, Error> {
        next(&mut self.stream, &mut self.reader).await
    }

    /// The two halves.
    pub(super) fn into_parts(self) -> (Ear, Mouth) {
        let (read, write) = self.stream.into_split();
        let ear = Ear {
            stream: read,
            reader: self.reader,
        };
        (ear, Mouth { stream: write })
    }

    /// Of the two halves again.
    pub(super) fn of(ear: Ear, mouth: Mouth) -> Option<Self> {
        Some(Self {
            stream: ear.stream.reunite(mouth.stream).ok()?,
            reader: ear.reader,
        })
    }

    /// The socket and what was read ahead of it, for another attempt.
    pub(super) fn into_std(self) -> Option<(std::os::unix::net::UnixStream, frame::Reader)> {
        Some((self.stream.into_std().ok()?, self.reader))
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
        send(&mut self.stream, message).await
    }
}

async fn send<T: Serialize, W: AsyncWriteExt + Unpin>(stream: &mut W, message: &T) -> Result<(), Error> {
    let bytes = frame::encode(message).map_err(place("speak to the supervisor"))?;
    let sent = stream.write_all(&bytes).await;
    sent.map_err(place("speak to the supervisor"))
}

async fn next<R: AsyncReadExt + Unpin>(stream: &mut R, reader: &mut frame::Reader) -> Result<Option<Word>, Error> {
    let mut bytes = Vec::new();
    loop {
        if let Some(word) = reader.take().map_err(place("understand the supervisor"))? {
            return Ok(Some(word));
        }
        // Most words were read with the one before. A larger piece of memory for each would make the allocator give back
        // and take again what it has.
        bytes.resize(READ_BYTES, 0);
        let count = stream.read(&mut bytes).await.map_err(place("hear the supervisor"))?;
        if count == 0 {
            return Ok(None);
        }
        reader.push(&bytes[..count]);
    }
}
