//! The log of one container: from its pipes to reports.
//!
//! Output and errors come through one pipe, so that their order is the program's, unless one of them
//! is copied to a file. Text is sent when there is a chunk of it, when the container has ended, or
//! [`DELAY`] after its first byte: long enough for a burst to become one message, short beside the
//! 250 ms within which people are to see it.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tidemill_messages::report::MAX_LOG_CHUNK_BYTES;

use super::mask::{Masker, Masks};

/// How long text waits for more.
pub(crate) const DELAY: Duration = Duration::from_millis(20);
/// Bytes read from a pipe at once, as long as no more have come.
const FEW_BYTES: usize = 4096;
/// The same of a container that writes much.
const READ_BYTES: usize = 64 * 1024;
/// Bytes read from a pipe after the last process that was to write to it has ended: what a pipe of the
/// largest usual size can hold. A process outside the attempt that was handed the pipe is not waited for.
const DRAIN_BYTES: usize = 1 << 20;

/// Text the containers of an attempt may still write, in bytes.
pub(crate) struct Budget {
    /// What the limit was.
    pub(crate) limit: u64,
    left: u64,
}

impl Budget {
    /// All of it left.
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, left: limit }
    }
}

/// One pipe of a container.
struct Stream {
    pipe: Option<File>,
    masker: Masker,
    masked: Vec<u8>,
    copies: Vec<File>,
}

/// The log of one container.
pub(crate) struct Log {
    streams: Vec<Stream>,
    /// What is read into.
    read: Vec<u8>,
    text: String,
    since: Option<Instant>,
    cut_bytes: u64,
    failed_copy: Option<std::io::Error>,
}

impl Log {
    /// Reads `pipes`, which do not block, each with the files it is copied to.
    pub(crate) fn new(pipes: Vec<(File, Vec<File>)>, masks: &Rc<Masks>) -> Self {
        let stream = |(pipe, copies)| Stream {
            pipe: Some(pipe),
            masker: Masker::new(Rc::clone(masks)),
            masked: Vec::new(),
            copies,
        };
        Self {
            streams: pipes.into_iter().map(stream).collect(),
            read: vec![0; FEW_BYTES],
            text: String::new(),
            since: None,
            cut_bytes: 0,
            failed_copy: None,
        }
    }

    /// The pipes that are open.
    pub(crate) fn pipes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.streams
            .iter()
            .filter_map(|stream| stream.pipe.as_ref().map(AsFd::as_fd))
    }

    /// Reads once from each pipe.
    pub(crate) fn read(&mut self, budget: &mut Budget, now: Instant) {
        for number in 0..self.streams.len() {
            self.read_stream(number, budget, now);
        }
    }

    /// Reads what is left in the pipes and closes them.
    pub(crate) fn drain(&mut self, budget: &mut Budget, now: Instant) {
        for number in 0..self.streams.len() {
            let mut read = 0;
            while read < DRAIN_BYTES {
                match self.read_stream(number, budget, now) {
                    0 => break,
                    count => read += count,
                }
            }
            self.close(number, budget, now);
        }
    }

    /// Adds a line of our own.
    pub(crate) fn say(&mut self, line: &str, now: Instant) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str("tidemill: ");
        self.text.push_str(line);
        self.text.push('\n');
        self.since.get_or_insert(now);
    }

    /// When the text that waits is to be sent.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.since.map(|since| since + DELAY)
    }

    /// The next chunk to send, at the end of a line where there is one.
    pub(crate) fn chunk(&mut self, now: Instant, last: bool) -> Option<String> {
        let due = last || self.due_at().is_some_and(|due| due <= now);
        if self.text.is_empty() || (!due && self.text.len() < MAX_LOG_CHUNK_BYTES) {
            return None;
        }
        let rest = self.text.split_off(chunk_length(&self.text));
        self.since = if rest.is_empty() { None } else { self.since };
        Some(std::mem::replace(&mut self.text, rest))
    }

    /// Bytes that were over the limit.
    pub(crate) fn cut_bytes(&self) -> u64 {
        self.cut_bytes
    }

    /// Why a copy is not whole.
    pub(crate) fn failed_copy(&mut self) -> Option<std::io::Error> {
        self.failed_copy.take()
    }

    /// Reads once; 0 when there is nothing.
    fn read_stream(&mut self, number: usize, budget: &mut Budget, now: Instant) -> usize {
        let Some(pipe) = &mut self.streams[number].pipe else {
            return 0;
        };
        match pipe.read(&mut self.read) {
            Ok(0) => {
                self.close(number, budget, now);
                0
            }
            Ok(count) => {
                let mut bytes = std::mem::take(&mut self.read);
                self.take(number, &bytes[..count], budget, now);
                if count == bytes.len() {
                    bytes.resize(READ_BYTES, 0);
                }
                self.read = bytes;
                count
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => 1,
            Err(_) => 0,
        }
    }

    fn take(&mut self, number: usize, bytes: &[u8], budget: &mut Budget, now: Instant) {
        let stream = &mut self.streams[number];
        for copy in &mut stream.copies {
            if let Err(error) = copy.write_all(bytes) {
                self.failed_copy.get_or_insert(error);
            }
        }
        if budget.left == 0 {
            self.cut_bytes += bytes.len() as u64;
            return;
        }
        stream.masker.push(bytes, &mut stream.masked);
        self.decode(number, false, budget, now);
    }

    fn close(&mut self, number: usize, budget: &mut Budget, now: Instant) {
        let stream = &mut self.streams[number];
        if stream.pipe.take().is_some() {
            stream.masker.finish(&mut stream.masked);
            self.decode(number, true, budget, now);
        }
    }

    /// Turns masked bytes into text; the beginning of a character waits for its rest.
    fn decode(&mut self, number: usize, last: bool, budget: &mut Budget, now: Instant) {
        let stream = &mut self.streams[number];
        let keep = if last { 0 } else { unfinished(&stream.masked) };
        let whole = stream.masked.len() - keep;
        let text = String::from_utf8_lossy(&stream.masked[..whole]).into_owned();
        stream.masked.drain(..whole);
        if text.is_empty() {
            return;
        }
        let fits = boundary(&text, usize::try_from(budget.left).unwrap_or(usize::MAX));
        self.cut_bytes += (text.len() - fits) as u64;
        // What did not fit ends the log: later text must not follow it.
        budget.left = if fits < text.len() {
            0
        } else {
            budget.left - fits as u64
        };
        self.text.push_str(&text[..fits]);
        self.since.get_or_insert(now);
    }
}

/// How many bytes at the end begin a character that is not complete.
fn unfinished(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    (1..=tail.len())
        .find(|length| {
            let end = &tail[tail.len() - length..];
            std::str::from_utf8(end).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(0)
}

/// The last end of a character at or before `limit`.
fn boundary(text: &str, limit: usize) -> usize {
    let mut at = limit.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn chunk_length(text: &str) -> usize {
    if text.len() <= MAX_LOG_CHUNK_BYTES {
        return text.len();
    }
    let longest = boundary(text, MAX_LOG_CHUNK_BYTES);
    text[..longest].rfind('\n').map_or(longest, |newline| newline + 1)
}

#[cfg(test)]
mod tests;
