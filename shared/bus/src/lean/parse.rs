//! The server's side of the protocol, line by line.

/// Longest line before a payload; the server's own limit for its clients is 4 KiB, its INFO is longer.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// Largest payload with headers: more than any server of ours sends.
const MAX_PAYLOAD_BYTES: usize = 8 * 1024 * 1024;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Its subject.
    pub subject: String,
    /// `Some(503)`: nobody listens where the request went.
    pub status: Option<u16>,
    /// What it says, without headers.
    pub payload: Vec<u8>,
}

/// What the server said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Message(Incoming),
    Ping,
    Pong,
    /// `-ERR`, with its words.
    Error(String),
    /// `INFO`, `+OK`.
    Other,
}

/// Puts lines and payloads together from what was read.
#[derive(Default)]
pub(super) struct Parser {
    bytes: Vec<u8>,
}

impl Parser {
    /// Adds what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next thing said, once all of it is there; what is not NATS as error.
    pub(super) fn take(&mut self) -> Result<Option<Line>, String> {
        let Some(end) = self.bytes.windows(2).position(|pair| pair == b"\r\n") else {
            if self.bytes.len() > MAX_LINE_BYTES {
                return Err(shown(&self.bytes));
            }
            return Ok(None);
        };
        let line = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let plain = match word.to_ascii_uppercase().as_str() {
            "PING" => Line::Ping,
            "PONG" => Line::Pong,
            "-ERR" => Line::Error(rest.trim_matches('\'').to_owned()),
            "INFO" | "+OK" => Line::Other,
            "MSG" | "HMSG" => return self.take_message(&line, end + 2),
            _ => return Err(shown(line.as_bytes())),
        };
        self.bytes.drain(..end + 2);
        Ok(Some(plain))
    }

    /// `MSG <subject> <number> [reply] <bytes>`, or `HMSG … <header bytes> <bytes>`, and the payload.
    fn take_message(&mut self, line: &str, start: usize) -> Result<Option<Line>, String> {
        let wrong = || shown(line.as_bytes());
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let with_headers = words[0].eq_ignore_ascii_case("HMSG");
        let lengths = if with_headers { 2 } else { 1 };
        if words.len() < 3 + lengths {
            return Err(wrong());
        }
        let length = |back: usize| words[words.len() - back].parse::<usize>().map_err(|_| wrong());
        let total = length(1)?;
        let head = if with_headers { length(2)? } else { 0 };
        if total > MAX_PAYLOAD_BYTES || head > total {
            return Err(wrong());
        }
        if self.bytes.len() < start + total + 2 {
            return Ok(None);
        }
        let message = Incoming {
            subject: words[1].to_owned(),
            status: status(&self.bytes[start..start + head]),
            payload: self.bytes[start + head..start + total].to_vec(),
        };
        self.bytes.drain(..start + total + 2);
        Ok(Some(Line::Message(message)))
    }
}

/// The status of `NATS/1.0 503 …`.
fn status(headers: &[u8]) -> Option<u16> {
    let first = headers.split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(first).ok()?.split(' ').nth(1)?.parse().ok()
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(parser: &mut Parser) -> Vec<Line> {
        std::iter::from_fn(|| parser.take().unwrap()).collect()
    }

    #[test]
    fn what_is_cut_anywhere_is_put_together() {
        let said = b"INFO {}\r\nPING\r\nMSG a.b 1 3\r\nx\r\n\r\nHMSG c 2 r 16 18\r\nNATS/1.0 503\r\n\r\nhi\r\n-ERR 'No'\r\nPONG\r\n";
        let expected = |lines: Vec<Line>| {
            let message = |subject: &str, status, payload: &[u8]| {
                Line::Message(Incoming {
                    subject: subject.to_owned(),
                    status,
                    payload: payload.to_vec(),
                })
            };
            assert_eq!(
                lines,
                [
                    Line::Other,
                    Line::Ping,
                    message("a.b", None, b"x\r\n"),
                    message("c", Some(503), b"hi"),
                    Line::Error("No".to_owned()),
                    Line::Pong
                ]
            );
        };
        let mut whole = Parser::default();
        whole.push(said);
        expected(all(&mut whole));
        let mut bytewise = Parser::default();
        let mut lines = Vec::new();
        for byte in said {
            bytewise.push(&[*byte]);
            lines.extend(all(&mut bytewise));
        }
        expected(lines);
    }

    #[test]
    fn what_is_not_nats_is_refused() {
        for said in [
            "HTTP/1.1 400 Bad\r\n",
            "MSG a\r\n",
            "MSG a 1 x\r\n",
            "HMSG a 1 9 3\r\n",
            "MSG a 1 99999999999\r\n",
        ] {
            let mut parser = Parser::default();
            parser.push(said.as_bytes());
            assert!(parser.take().is_err(), "{said}");
        }
    }
}
