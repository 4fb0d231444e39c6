//! Reports that are not yet durable, in order.
//!
//! They are kept until the owner says that they are stored, and sent again to each new owner. When
//! [`WINDOW_BYTES`] wait, output is not read any more: the pipes fill and the steps wait, until an
//! owner has stored some.

use std::collections::VecDeque;

use jiff::Timestamp;
use tidemill_messages::AttemptKey;
use tidemill_messages::frame;
use tidemill_messages::report::{Report, ReportBody};
use tidemill_messages::sandbox::Word;

use crate::error::Error;

/// Unstored reports in bytes above which no output is read.
pub(super) const WINDOW_BYTES: usize = 1 << 20;

/// The reports of an attempt.
pub(super) struct Outbox {
    attempt: AttemptKey,
    last: u64,
    waiting: VecDeque<(u64, Vec<u8>)>,
    bytes: usize,
    sent: usize,
}

impl Outbox {
    /// Nothing said yet.
    pub(super) fn new(attempt: AttemptKey) -> Self {
        Self {
            attempt,
            last: 0,
            waiting: VecDeque::new(),
            bytes: 0,
            sent: 0,
        }
    }

    /// Adds a report.
    pub(super) fn add(&mut self, at: Timestamp, body: ReportBody) -> Result<(), Error> {
        self.last += 1;
        let report = Report {
            attempt: self.attempt.clone(),
            sequence: self.last,
            at,
            body,
        };
        let bytes = frame::encode(&Word::Report(Box::new(report))).map_err(Error::Wire)?;
        self.bytes += bytes.len();
        self.waiting.push_back((self.last, bytes));
        Ok(())
    }

    /// Whether more output may be read.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < WINDOW_BYTES
    }

    /// Reports up to `sequence` are durable.
    pub(super) fn stored(&mut self, sequence: u64) {
        while self.waiting.front().is_some_and(|(number, _)| *number <= sequence) {
            if let Some((_, bytes)) = self.waiting.pop_front() {
                self.bytes -= bytes.len();
                self.sent = self.sent.saturating_sub(1);
            }
        }
    }

    /// A new owner: everything is to be sent again.
    pub(super) fn rewind(&mut self) {
        self.sent = 0;
    }

    /// Whether there is something the owner has not been sent.
    pub(super) fn has_unsent(&self) -> bool {
        self.sent < self.waiting.len()
    }

    /// The next frame for the owner.
    pub(super) fn next_unsent(&mut self) -> Option<&[u8]> {
        let (_, bytes) = self.waiting.get(self.sent)?;
        self.sent += 1;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(text: &str) -> ReportBody {
        ReportBody::Log {
            container: "step-a".to_owned(),
            text: text.to_owned(),
        }
    }

    fn sequences(outbox: &mut Outbox) -> Vec<u64> {
        let mut reader = frame::Reader::default();
        while let Some(bytes) = outbox.next_unsent() {
            reader.push(bytes);
        }
        let mut sequences = Vec::new();
        while let Some(word) = reader.take::<Word>().unwrap() {
            match word {
                Word::Report(report) => sequences.push(report.sequence),
                other => panic!("{other:?}"),
            }
        }
        sequences
    }

    #[test]
    fn a_new_owner_gets_what_is_not_stored_and_nothing_else() {
        let mut outbox = Outbox::new(AttemptKey::new("u", "t", 0));
        for text in ["a", "b", "c"] {
            outbox.add(Timestamp::UNIX_EPOCH, log(text)).unwrap();
        }
        assert_eq!(sequences(&mut outbox), [1, 2, 3]);
        outbox.stored(2);
        assert!(!outbox.has_unsent());
        outbox.add(Timestamp::UNIX_EPOCH, log("d")).unwrap();
        assert_eq!(sequences(&mut outbox), [4]);
        outbox.rewind();
        assert_eq!(sequences(&mut outbox), [3, 4]);
        outbox.stored(9);
        assert!(outbox.has_room() && !outbox.has_unsent());
    }

    #[test]
    fn there_is_no_room_until_something_is_stored() {
        let mut outbox = Outbox::new(AttemptKey::new("u", "t", 0));
        outbox
            .add(Timestamp::UNIX_EPOCH, log(&"x".repeat(WINDOW_BYTES)))
            .unwrap();
        assert!(!outbox.has_room());
        outbox.stored(1);
        assert!(outbox.has_room());
    }
}
