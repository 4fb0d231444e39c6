//! Texts as the lines a client asked for.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::history::Text;

/// Cuts, dates and counts.
pub(super) struct Printer {
    timestamps: bool,
    since: Option<Timestamp>,
    tail: Option<Tail>,
    left_bytes: Option<usize>,
    at_line_start: bool,
}

/// The last lines of what came so far.
struct Tail {
    lines: VecDeque<Vec<u8>>,
    most: usize,
    bytes: usize,
    most_bytes: usize,
}

impl Printer {
    pub(super) fn new(
        timestamps: bool,
        since: Option<Timestamp>,
        tail: Option<usize>,
        tail_bytes: usize,
        limit_bytes: Option<usize>,
    ) -> Self {
        Self {
            timestamps,
            since,
            tail: tail.map(|most| Tail {
                lines: VecDeque::new(),
                most,
                bytes: 0,
                most_bytes: tail_bytes,
            }),
            left_bytes: limit_bytes,
            at_line_start: true,
        }
    }

    /// What of a text is to be sent now.
    pub(super) fn print(&mut self, text: &Text) -> Vec<u8> {
        if self.since.is_some_and(|since| text.at < since) {
            return Vec::new();
        }
        let dated = self.date(text);
        match &mut self.tail {
            Some(tail) => {
                tail.push(&dated);
                Vec::new()
            }
            None => self.limit(dated),
        }
    }

    /// The last lines, when the past is over; what comes afterwards is sent at once.
    pub(super) fn end_of_past(&mut self) -> Vec<u8> {
        let kept = self.tail.take().map(Tail::into_bytes).unwrap_or_default();
        self.limit(kept)
    }

    /// Whether nothing more may be sent.
    pub(super) fn is_full(&self) -> bool {
        self.left_bytes == Some(0)
    }

    fn date(&mut self, text: &Text) -> Vec<u8> {
        if !self.timestamps {
            return text.text.to_vec();
        }
        let mut dated = Vec::with_capacity(text.text.len() + 64);
        for line in text.text.split_inclusive(|byte| *byte == b'\n') {
            if self.at_line_start {
                dated.extend_from_slice(text.at.to_string().as_bytes());
                dated.push(b' ');
            }
            dated.extend_from_slice(line);
            self.at_line_start = line.ends_with(b"\n");
        }
        dated
    }

    fn limit(&mut self, mut text: Vec<u8>) -> Vec<u8> {
        if let Some(left) = &mut self.left_bytes {
            text.truncate(*left);
            *left -= text.len();
        }
        text
    }
}

impl Tail {
    fn push(&mut self, text: &[u8]) {
        for piece in text.split_inclusive(|byte| *byte == b'\n') {
            self.bytes += piece.len();
            match self.lines.back_mut() {
                Some(last) if !last.ends_with(b"\n") => last.extend_from_slice(piece),
                _ => self.lines.push_back(piece.to_vec()),
            }
            while self.lines.len() > self.most || (self.bytes > self.most_bytes && self.lines.len() > 1) {
                let Some(first) = self.lines.pop_front() else { break };
                self.bytes -= first.len();
            }
            // One line alone may be longer than all that is kept: its end is kept then.
            if let Some(last) = self.lines.back_mut()
                && self.bytes > self.most_bytes
            {
                let excess = self.bytes - self.most_bytes;
                last.drain(..excess.min(last.len()));
                self.bytes = last.len();
            }
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        self.lines.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Text {
        Text {
            at: Timestamp::UNIX_EPOCH,
            text: text.to_owned().into(),
        }
    }

    fn printed(mut printer: Printer, texts: &[&str]) -> String {
        let mut all: Vec<u8> = texts.iter().flat_map(|piece| printer.print(&text(piece))).collect();
        all.extend(printer.end_of_past());
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn the_last_lines_are_kept_across_pieces() {
        let tail = |lines, bytes| Printer::new(false, None, Some(lines), bytes, None);
        let pieces = ["a\nb", "b\nc\n", "d"];
        assert_eq!(printed(tail(2, 100), &pieces), "c\nd");
        assert_eq!(printed(tail(3, 100), &pieces), "bb\nc\nd");
        assert_eq!(printed(tail(0, 100), &pieces), "");
        assert_eq!(printed(tail(9, 3), &pieces), "c\nd");
        assert_eq!(printed(tail(9, 4), &["0123456789"]), "6789");
    }

    #[test]
    fn each_line_has_one_date() {
        let printer = Printer::new(true, None, None, 0, None);
        assert_eq!(
            printed(printer, &["a\nb", "b\n"]),
            "1970-01-01T00:00:00Z a\n1970-01-01T00:00:00Z bb\n"
        );
    }

    #[test]
    fn old_and_excess_text_is_left_out() {
        let since = Some(Timestamp::from_second(5).unwrap());
        assert_eq!(printed(Printer::new(false, since, None, 0, None), &["a"]), "");
        let mut printer = Printer::new(false, None, None, 0, Some(3));
        assert_eq!(printer.print(&text("ab")), b"ab");
        assert_eq!(printer.print(&text("cd")), b"c");
        assert!(printer.is_full());
    }
}
