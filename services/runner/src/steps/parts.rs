//! From messages to reports: parts are put together, numbers put in order.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use tidemill_bus::Stored;
use tidemill_messages::AttemptKey;
use tidemill_messages::assignment::{FROM, PART, REPORTS_PER_STEP, SEQUENCE};
use tidemill_messages::report::Report;

/// Bytes of reports of one attempt that may be here and not in order yet: all results of a task, and as
/// much again.
const HELD_BYTES: usize = 32 << 20;
/// Parts of one report.
const MAX_PARTS: usize = 128;

/// What a message was.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// The first step waits for the word.
    Question,
    /// Reports that are in order now, in order; the step at this position sent them.
    Reports(u64, Vec<Report>),
    /// The report was heard before.
    Again(u64),
    /// Parts are missing, or it is none of ours.
    Nothing,
}

/// What was heard of an attempt so far.
#[derive(Default)]
pub(crate) struct Parts {
    steps: BTreeMap<u64, HeardStep>,
    held_bytes: usize,
}

#[derive(Default)]
struct HeardStep {
    /// Number of the next report; 0: none was heard yet.
    next: u64,
    /// Reports that came too early.
    early: BTreeMap<u64, Vec<u8>>,
    /// The report of which parts are missing.
    partial: Option<(u64, Vec<Vec<u8>>)>,
}

impl Parts {
    /// Takes a message in.
    pub(crate) fn take(&mut self, attempt: &AttemptKey, message: &Stored) -> Heard {
        if message.payload.is_empty() && message.header(SEQUENCE).is_none() {
            return Heard::Question;
        }
        let number = |name: &str| message.header(name)?.parse::<u64>().ok();
        let (Some(sequence), Some(from)) = (number(SEQUENCE), number(FROM)) else {
            return Heard::Nothing;
        };
        let position = sequence.saturating_sub(1) / REPORTS_PER_STEP;
        if sequence == 0 || from == 0 || from > sequence || (from - 1) / REPORTS_PER_STEP != position {
            return Heard::Nothing;
        }
        let step = self.steps.entry(position).or_default();
        // What its sender has let go of was durable: a later owner begins where it stands.
        step.next = step.next.max(from);
        if sequence < step.next {
            return Heard::Again(position);
        }
        let Some(bytes) = step.whole(sequence, message) else {
            return Heard::Nothing;
        };
        if let Entry::Vacant(early) = step.early.entry(sequence) {
            if self.held_bytes + bytes.len() > HELD_BYTES {
                return Heard::Nothing;
            }
            self.held_bytes += bytes.len();
            early.insert(bytes);
        }
        let reports = self.in_order(attempt, position);
        if reports.is_empty() {
            Heard::Nothing
        } else {
            Heard::Reports(position, reports)
        }
    }

    fn in_order(&mut self, attempt: &AttemptKey, position: u64) -> Vec<Report> {
        let mut reports = Vec::new();
        let Some(step) = self.steps.get_mut(&position) else {
            return reports;
        };
        while let Some(bytes) = step.early.remove(&step.next) {
            self.held_bytes = self.held_bytes.saturating_sub(bytes.len());
            let report = serde_json::from_slice::<Report>(&bytes).ok();
            let ours = report.filter(|report| report.attempt == *attempt && report.sequence == step.next);
            let Some(report) = ours else {
                // It stays the next one: a sender that says nonsense is not heard any further.
                break;
            };
            reports.push(report);
            step.next += 1;
        }
        reports
    }
}

impl HeardStep {
    /// The whole report, once all its parts are here.
    fn whole(&mut self, sequence: u64, message: &Stored) -> Option<Vec<u8>> {
        let Some(part) = message.header(PART) else {
            return Some(message.payload.to_vec());
        };
        let (part, parts) = part.split_once('/')?;
        let (part, parts) = (part.parse::<usize>().ok()?, parts.parse::<usize>().ok()?);
        if part == 0 || part > parts || parts > MAX_PARTS {
            return None;
        }
        // Parts are sent in order over one connection: a first one begins anew.
        if part == 1 {
            self.partial = Some((sequence, Vec::with_capacity(parts)));
        }
        let (of, held) = self.partial.as_mut()?;
        if *of != sequence || held.len() + 1 != part {
            return None;
        }
        held.push(message.payload.to_vec());
        if part < parts {
            return None;
        }
        self.partial.take().map(|(_, held)| held.concat())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tidemill_messages::report::ReportBody;

    use super::*;

    fn attempt() -> AttemptKey {
        AttemptKey::new("u", "t", 0)
    }

    fn report(sequence: u64, text: &str) -> Report {
        Report {
            attempt: attempt(),
            sequence,
            at: Timestamp::UNIX_EPOCH,
            body: ReportBody::Log {
                container: "step-a".to_owned(),
                text: text.to_owned(),
            },
        }
    }

    fn message(headers: &[(&str, String)], payload: &[u8]) -> Stored {
        Stored {
            subject: String::new(),
            sequence: 0,
            time: Timestamp::UNIX_EPOCH,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            payload: payload.to_vec().into(),
            reply: None,
        }
    }

    fn whole(sequence: u64, from: u64) -> Stored {
        let headers = [(SEQUENCE, sequence.to_string()), (FROM, from.to_string())];
        message(&headers, &serde_json::to_vec(&report(sequence, "x")).unwrap())
    }

    fn sequences(heard: Heard) -> Vec<u64> {
        match heard {
            Heard::Reports(_, reports) => reports.iter().map(|report| report.sequence).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn reports_come_in_order_and_once() {
        let (mut parts, attempt) = (Parts::default(), attempt());
        assert_eq!(sequences(parts.take(&attempt, &whole(1, 1))), [1]);
        assert_eq!(parts.take(&attempt, &whole(3, 1)), Heard::Nothing);
        assert_eq!(parts.take(&attempt, &whole(1, 1)), Heard::Again(0));
        assert_eq!(sequences(parts.take(&attempt, &whole(2, 1))), [2, 3]);
    }

    #[test]
    fn a_later_owner_begins_where_the_sender_stands() {
        let (mut parts, attempt) = (Parts::default(), attempt());
        assert_eq!(parts.take(&attempt, &whole(9, 7)), Heard::Nothing);
        assert_eq!(sequences(parts.take(&attempt, &whole(7, 7))), [7]);
        assert_eq!(sequences(parts.take(&attempt, &whole(8, 7))), [8, 9]);
        let second = REPORTS_PER_STEP + 1;
        assert_eq!(sequences(parts.take(&attempt, &whole(second, second))), [second]);
    }

    #[test]
    fn parts_are_put_together() {
        let (mut parts, attempt) = (Parts::default(), attempt());
        let bytes = serde_json::to_vec(&report(1, &"y".repeat(1000))).unwrap();
        let (first, second) = bytes.split_at(400);
        let headers = |part: &str| {
            [
                (SEQUENCE, "1".to_owned()),
                (FROM, "1".to_owned()),
                (PART, part.to_owned()),
            ]
        };
        assert_eq!(parts.take(&attempt, &message(&headers("2/2"), second)), Heard::Nothing);
        assert_eq!(parts.take(&attempt, &message(&headers("1/2"), first)), Heard::Nothing);
        assert_eq!(sequences(parts.take(&attempt, &message(&headers("2/2"), second))), [1]);
    }

    #[test]
    fn nonsense_is_not_heard() {
        let (mut parts, attempt) = (Parts::default(), attempt());
        let headers = [(SEQUENCE, "1".to_owned()), (FROM, "1".to_owned())];
        assert_eq!(parts.take(&attempt, &message(&headers, b"{}")), Heard::Nothing);
        assert_eq!(parts.take(&attempt, &message(&[], b"x")), Heard::Nothing);
        assert_eq!(parts.take(&attempt, &whole(1, 2)), Heard::Nothing);
        let other = AttemptKey::new("u", "other", 0);
        assert_eq!(Parts::default().take(&other, &whole(1, 1)), Heard::Nothing);
        assert_eq!(parts.take(&attempt, &message(&[], b"")), Heard::Question);
    }
}
