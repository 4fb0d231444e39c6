//! The lines of a body, as they come.

use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http_body_util::BodyExt as _;
use kube::client::Body;

/// Cuts a body into lines of at most `limit` bytes.
pub(super) struct Lines {
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes, kube::Error>> + Send>>,
    buffer: Buffer,
}

/// One line.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// The whole of it; what is no UTF-8 was replaced.
    Whole(String),
    /// Longer than the limit; its beginning.
    Cut(String),
}

/// What has come and not been given out.
struct Buffer {
    bytes: Vec<u8>,
    /// Bytes before this hold no line end.
    searched: usize,
    /// The rest of a line that was too long is being dropped.
    skipping: bool,
    limit: usize,
}

impl Lines {
    /// Reads `body`.
    pub(super) fn new(body: Body, limit: usize) -> Self {
        Self {
            chunks: Box::pin(body.into_data_stream()),
            buffer: Buffer::new(limit),
        }
    }

    /// The next line; `None` when the body ended or the connection was lost. Text after the last
    /// line end counts as a line.
    pub(super) async fn next(&mut self) -> Option<Line> {
        loop {
            if let Some(line) = self.buffer.line() {
                return Some(line);
            }
            match self.chunks.next().await {
                Some(Ok(chunk)) => self.buffer.bytes.extend_from_slice(&chunk),
                Some(Err(_)) | None => return self.buffer.rest(),
            }
        }
    }
}

impl Buffer {
    fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            searched: 0,
            skipping: false,
            limit,
        }
    }

    fn line(&mut self) -> Option<Line> {
        loop {
            let found = self.bytes[self.searched..].iter().position(|&byte| byte == b'\n');
            let Some(position) = found.map(|position| position + self.searched) else {
                return self.overflow();
            };
            let mut line: Vec<u8> = self.bytes.drain(..=position).collect();
            self.searched = 0;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            line.truncate(line.len() - 1);
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Some(Line::Whole(text(&line)));
        }
    }

    fn overflow(&mut self) -> Option<Line> {
        self.searched = self.bytes.len();
        if self.bytes.len() <= self.limit {
            return None;
        }
        let bytes = std::mem::take(&mut self.bytes);
        self.searched = 0;
        (!std::mem::replace(&mut self.skipping, true)).then(|| Line::Cut(text(&bytes[..self.limit])))
    }

    fn rest(&mut self) -> Option<Line> {
        let bytes = std::mem::take(&mut self.bytes);
        self.searched = 0;
        (!bytes.is_empty() && !self.skipping).then(|| Line::Whole(text(&bytes)))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Buffer, Line};

    fn all(chunks: &[&[u8]], limit: usize) -> Vec<Line> {
        let mut buffer = Buffer::new(limit);
        let mut lines = Vec::new();
        for chunk in chunks {
            buffer.bytes.extend_from_slice(chunk);
            while let Some(line) = buffer.line() {
                lines.push(line);
            }
        }
        lines.extend(buffer.rest());
        lines
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.to_owned())
    }

    #[test]
    fn lines_may_be_cut_by_chunks() {
        assert_eq!(
            all(&[b"a\nb", b"c\r\n", b"\n", b"end"], 10),
            [whole("a"), whole("bc"), whole(""), whole("end")]
        );
        assert_eq!(
            all(&["部".as_bytes().split_at(1).0, "部".as_bytes().split_at(1).1], 10),
            [whole("部")]
        );
        assert_eq!(all(&[b"\xff!\n"], 10), [whole("\u{fffd}!")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_the_next_is_whole() {
        assert_eq!(
            all(&[b"0123456789abc", b"def", b"ghi\nnext\n"], 8),
            [Line::Cut("01234567".to_owned()), whole("next")]
        );
    }
}
