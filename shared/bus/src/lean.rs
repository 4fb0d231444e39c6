//! A NATS client for programs that must stay small: the step binary.
//!
//! Core messages over one TCP connection, without threads, runtime, name resolution, TLS or a library:
//! the owner of the loop waits for [`Client::as_fd`] and calls [`Client::receive`] and
//! [`Client::flush`]. A connection that fails is dropped and made anew by its owner, who knows what
//! was not answered. Services use [`crate::Bus`].

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

mod parse;

pub use parse::Incoming;
use parse::{Line, Parser};

/// Bytes read from the server at once.
const READ_BYTES: usize = 16 * 1024;

/// Why a connection cannot be used (any more).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The network says no.
    #[error("cannot {action} nats-server at {address}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Whom.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The server says no: it does not know the credentials (any more), or a subject is not theirs.
    #[error("nats-server refuses: {0}")]
    Refused(String),
    /// What came is not NATS.
    #[error("nats-server at {address} does not speak NATS: {line:?}")]
    Nonsense {
        /// Who.
        address: SocketAddr,
        /// What it said.
        line: String,
    },
}

/// A connection.
pub struct Client {
    address: SocketAddr,
    stream: TcpStream,
    parser: Parser,
    unsent: Vec<u8>,
}

impl Client {
    /// Connects and waits, for at most `limit`, until the server has let us in.
    ///
    /// # Errors
    /// [`Error::Refused`] for credentials it does not take; else [`Error::Io`], [`Error::Nonsense`].
    pub fn connect(address: SocketAddr, token: &str, name: &str, limit: Duration) -> Result<Self, Error> {
        let until = Instant::now() + limit;
        let failed = |action| {
            move |source| Error::Io {
                action,
                address,
                source,
            }
        };
        let stream = TcpStream::connect_timeout(&address, limit).map_err(failed("connect to"))?;
        stream.set_nodelay(true).map_err(failed("speak to"))?;
        let mut client = Self {
            address,
            stream,
            parser: Parser::default(),
            unsent: greeting(token, name),
        };
        client.send_all(until)?;
        client.await_pong(until)?;
        client.stream.set_nonblocking(true).map_err(failed("speak to"))?;
        Ok(client)
    }

    /// Asks for all messages of `subject`; `number` is this connection's own for it.
    pub fn subscribe(&mut self, subject: &str, number: u32) {
        self.unsent
            .extend_from_slice(format!("SUB {subject} {number}\r\n").as_bytes());
    }

    /// Sends a message that is to be answered on `reply`. Header names and values must be plain text
    /// without line breaks.
    pub fn request(&mut self, subject: &str, reply: &str, headers: &[(&str, String)], payload: &[u8]) {
        let mut head = String::from("NATS/1.0\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let total = head.len() + payload.len();
        let line = format!("HPUB {subject} {reply} {} {total}\r\n", head.len());
        for part in [line.as_bytes(), head.as_bytes(), payload, b"\r\n"] {
            self.unsent.extend_from_slice(part);
        }
    }

    /// Whether something waits to be sent.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Bytes that wait to be sent.
    pub fn unsent_bytes(&self) -> usize {
        self.unsent.len()
    }

    /// Sends what the socket takes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn flush(&mut self) -> Result<(), Error> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(source) => return Err(self.io("write to", source)),
            }
        }
        Ok(())
    }

    /// What has come; answers the server's pings.
    ///
    /// # Errors
    /// [`Error::Io`] also when the server has closed; [`Error::Refused`] with its reason.
    pub fn receive(&mut self) -> Result<Vec<Incoming>, Error> {
        let closed = self.read()?;
        let mut messages = Vec::new();
        while let Some(line) = self.next_line()? {
            match line {
                Line::Message(message) => messages.push(message),
                Line::Ping => self.unsent.extend_from_slice(b"PONG\r\n"),
                Line::Error(words) => return Err(Error::Refused(words)),
                Line::Pong | Line::Other => {}
            }
        }
        if closed && messages.is_empty() {
            return Err(self.io("read from", ErrorKind::UnexpectedEof.into()));
        }
        Ok(messages)
    }

    /// Reads what is there; whether the server has closed.
    fn read(&mut self) -> Result<bool, Error> {
        let mut bytes = [0; READ_BYTES];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Ok(true),
                Ok(count) => self.parser.push(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(source) => return Err(self.io("read from", source)),
            }
        }
    }

    fn next_line(&mut self) -> Result<Option<Line>, Error> {
        let address = self.address;
        self.parser.take().map_err(|line| Error::Nonsense { address, line })
    }

    fn send_all(&mut self, until: Instant) -> Result<(), Error> {
        let limit = until
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1));
        let sent = self
            .stream
            .set_write_timeout(Some(limit))
            .and_then(|()| self.stream.write_all(&self.unsent));
        self.unsent.clear();
        sent.map_err(|source| self.io("write to", source))
    }

    /// The server answers the ping behind our greeting once it has let us in.
    fn await_pong(&mut self, until: Instant) -> Result<(), Error> {
        let mut bytes = [0; READ_BYTES];
        loop {
            while let Some(line) = self.next_line()? {
                match line {
                    Line::Pong => return Ok(()),
                    Line::Error(words) => return Err(Error::Refused(words)),
                    Line::Ping => self.unsent.extend_from_slice(b"PONG\r\n"),
                    Line::Message(_) | Line::Other => {}
                }
            }
            let left = until
                .saturating_duration_since(Instant::now())
                .max(Duration::from_millis(1));
            let read = self
                .stream
                .set_read_timeout(Some(left))
                .and_then(|()| self.stream.read(&mut bytes));
            match read {
                Ok(0) => return Err(self.io("read from", ErrorKind::UnexpectedEof.into())),
                Ok(count) => self.parser.push(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(self.io("read from", source)),
            }
        }
    }

    fn io(&self, action: &'static str, source: std::io::Error) -> Error {
        Error::Io {
            action,
            address: self.address,
            source,
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn greeting(token: &str, name: &str) -> Vec<u8> {
    let options = serde_json::json!({
        "verbose": false, "pedantic": false, "tls_required": false, "echo": false,
        "headers": true, "no_responders": true, "protocol": 1,
        "lang": "tidemill-step", "version": env!("CARGO_PKG_VERSION"),
        "name": name, "auth_token": token,
    });
    format!("CONNECT {options}\r\nPING\r\n").into_bytes()
}

#[cfg(test)]
mod tests;
