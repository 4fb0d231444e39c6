//! Between our messages and the client's.

use async_nats::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;

use super::pack::unpack;
use crate::{Headers, Message, Stored};

/// A message as `STREAM.MSG.GET` gives it.
#[derive(Deserialize)]
pub(super) struct RawMessage {
    subject: String,
    seq: u64,
    time: Timestamp,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

impl RawMessage {
    /// `None` if the server's base64 or what was packed is broken.
    pub(super) fn stored(self) -> Option<Stored> {
        let headers = STANDARD.decode(&self.hdrs).ok()?;
        let payload = STANDARD.decode(&self.data).ok()?;
        unpack(Stored {
            subject: self.subject,
            sequence: self.seq,
            time: self.time,
            headers: parse_headers(&String::from_utf8_lossy(&headers)),
            payload: payload.into(),
            reply: None,
        })
    }
}

/// What the reply subject of a delivered message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) delivered: u64,
    pub(super) stream_sequence: u64,
    pub(super) consumer_sequence: u64,
    pub(super) time: Timestamp,
}

impl Envelope {
    /// Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>`,
    /// or its second form with domain and account before the stream.
    pub(super) fn parse(reply: &str) -> Option<Self> {
        let rest = reply.strip_prefix("$JS.ACK.")?;
        let count = rest.split('.').count();
        let skipped = if count >= 9 { 4 } else { 2 };
        let mut tokens = rest.split('.').skip(skipped);
        let mut number = || tokens.next()?.parse::<u64>().ok();
        let (delivered, stream_sequence, consumer_sequence) = (number()?, number()?, number()?);
        let time = Timestamp::from_nanosecond(i128::from(number()?)).ok()?;
        Some(Self {
            delivered,
            stream_sequence,
            consumer_sequence,
            time,
        })
    }
}

/// A delivered message; `None` if it did not come from a consumer.
pub(super) fn delivered(message: &async_nats::Message) -> Option<(Stored, Envelope)> {
    let envelope = Envelope::parse(message.reply.as_deref()?)?;
    let stored = Stored {
        subject: message.subject.as_str().to_owned(),
        sequence: envelope.stream_sequence,
        time: envelope.time,
        headers: message.headers.as_ref().map(headers).unwrap_or_default(),
        payload: message.payload.clone(),
        reply: None,
    };
    Some((unpack(stored)?, envelope))
}

/// A message of a direct batch get; its place is in its headers.
pub(super) fn direct(message: &async_nats::Message) -> Option<Stored> {
    let map = message.headers.as_ref()?;
    let value = |name: &str| map.get_last(name).map(|value| value.as_str());
    unpack(Stored {
        subject: value("Nats-Subject")?.to_owned(),
        sequence: value("Nats-Sequence")?.parse().ok()?,
        time: value("Nats-Time-Stamp")?.parse().ok()?,
        headers: headers(map),
        payload: message.payload.clone(),
        reply: None,
    })
}

/// A core message.
pub(super) fn hint(message: async_nats::Message) -> Stored {
    Stored {
        subject: message.subject.as_str().to_owned(),
        sequence: 0,
        time: Timestamp::now(),
        headers: message.headers.as_ref().map(headers).unwrap_or_default(),
        payload: message.payload,
        reply: message.reply.map(|reply| reply.as_str().to_owned()),
    }
}

/// The headers of a publish; `None` when there are none.
pub(super) fn header_map(message: &Message) -> Option<HeaderMap> {
    if message.headers.is_empty() && message.expected_last.is_none() && message.ttl.is_none() {
        return None;
    }
    let mut map = HeaderMap::new();
    for (name, value) in &message.headers {
        map.append(name.as_str(), value.as_str());
    }
    if let Some(expected) = message.expected_last {
        map.insert(
            async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE,
            expected.to_string(),
        );
    }
    if let Some(ttl) = message.ttl {
        map.insert(
            async_nats::header::NATS_MESSAGE_TTL,
            format!("{}s", crate::message::ttl_seconds(ttl).as_secs()),
        );
    }
    Some(map)
}

/// Ours, and of the server's own only those of schedules, by name: the client keeps no order.
fn headers(map: &HeaderMap) -> Headers {
    let pairs = map
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| (name.as_ref(), value.as_str())));
    sorted(pairs)
}

fn parse_headers(text: &str) -> Headers {
    let lines = text.split("\r\n").skip(1);
    sorted(
        lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name, value.trim())),
    )
}

fn sorted<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Headers {
    let shown = pairs.filter(|(name, _)| !name.starts_with("Nats-") || name.starts_with("Nats-Schedule"));
    let mut headers: Headers = shown.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    headers.sort_by(|one, other| one.0.cmp(&other.0));
    headers
}

/// JSON for a request.
pub(super) fn json(value: &impl serde::Serialize) -> Bytes {
    // Our requests are plain structs and maps with string keys, which always serialise.
    serde_json::to_vec(value).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_reply_subject_are_read() {
        for reply in [
            "$JS.ACK.runs.partition-3.2.41.17.1700000000123456789.9",
            "$JS.ACK.hub.ACCHASH.runs.partition-3.2.41.17.1700000000123456789.9",
            "$JS.ACK.hub.ACCHASH.runs.partition-3.2.41.17.1700000000123456789.9.random",
        ] {
            let envelope = Envelope::parse(reply).unwrap();
            let read = (envelope.delivered, envelope.stream_sequence, envelope.consumer_sequence);
            assert_eq!(read, (2, 41, 17), "{reply}");
            assert_eq!(envelope.time.as_nanosecond(), 1_700_000_000_123_456_789);
        }
        for other in ["_INBOX.a.b", "$JS.ACK.runs.c.x.1.2.3.4", "$JS.ACK.runs.c"] {
            assert_eq!(Envelope::parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_servers_own_headers_are_left_out() {
        let text =
            "NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 0\r\nb: 2\r\nNats-Scheduler: timer.1\r\na: x:y\r\n\r\n";
        let pairs = [("Nats-Scheduler", "timer.1"), ("a", "x:y"), ("b", "2")];
        let expected: Headers = pairs
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(parse_headers(text), expected);
    }
}
