//! What is published: subject, headers, payload, expectation.

use std::time::Duration;

use bytes::Bytes;

/// No message is larger (512 KiB of payload); what is larger is stored as a blob and named by digest.
pub const MAX_MESSAGE_BYTES: usize = 512 * 1024;

/// Header names and values, in order, few enough that a list serves.
pub type Headers = Vec<(String, String)>;

/// A message to publish.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// The literal subject. Compare-and-set is always on this subject (nats.md, section 0, item 5).
    pub subject: String,
    /// Application headers; names that start with `Nats-` are refused.
    pub headers: Headers,
    /// At most [`MAX_MESSAGE_BYTES`].
    pub payload: Bytes,
    /// `Some(0)`: only if the subject is empty. `Some(n)`: only if its last message has sequence `n`.
    pub expected_last: Option<u64>,
    /// Removed after this long (whole seconds, at least one; rounded up). Needs
    /// [`crate::StreamSpec::message_ttl`].
    pub ttl: Option<Duration>,
}

impl Message {
    /// A message without expectation.
    pub fn new(subject: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            subject: subject.into(),
            payload: payload.into(),
            ..Self::default()
        }
    }

    /// The same, to be stored only if the last sequence of its subject is `sequence`.
    #[must_use]
    pub fn expecting(mut self, sequence: u64) -> Self {
        self.expected_last = Some(sequence);
        self
    }

    /// The same, to be removed after `ttl`.
    #[must_use]
    pub fn expiring(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The same with one header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// A TTL as the server takes it: whole seconds, at least one.
pub(crate) fn ttl_seconds(ttl: Duration) -> Duration {
    let rounded_up = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
    Duration::from_secs(rounded_up.max(1))
}
