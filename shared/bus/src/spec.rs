//! What a stream and a consumer are to be.

use std::time::Duration;

use jiff::Timestamp;

/// What happens to a publish that would exceed the stream's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Discard {
    /// Refuse the new message ([`crate::Error::Full`]).
    #[default]
    New,
    /// Drop the oldest.
    Old,
}

/// When an acknowledged message is on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// As the server is set (`sync_interval: always` in ours).
    #[default]
    Server,
    /// Acknowledged before it is written; for logs. Not of a stream with several replicas.
    Asynchronous,
}

/// A stream. Retention is by limits always, one file store, one replica unless said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamSpec {
    /// The name.
    pub name: String,
    /// Its subjects, wildcards allowed.
    pub subjects: Vec<String>,
    /// At most so many messages a subject; 0 = no limit.
    pub max_messages_per_subject: u64,
    /// At most so many bytes. Never unlimited (nats.md, section 0, "disk full").
    pub max_bytes: u64,
    /// Messages older than this go; `None` = kept.
    pub max_age: Option<Duration>,
    /// What to do at the limit.
    pub discard: Discard,
    /// When acknowledged messages are on disk.
    pub persistence: Persistence,
    /// Allows `Nats-Schedule` messages (forces [`Discard::Old`] in the server).
    pub schedules: bool,
    /// Allows a message to carry its own age limit.
    pub message_ttl: bool,
    /// Number of replicas.
    pub replicas: usize,
}

impl StreamSpec {
    /// A plain stream: no age, discard new, no schedules, no TTL.
    pub fn plain(name: &str, subjects: &[&str], max_bytes: u64) -> Self {
        Self {
            name: name.to_owned(),
            subjects: subjects.iter().map(|&subject| subject.to_owned()).collect(),
            max_messages_per_subject: 0,
            max_bytes,
            max_age: None,
            discard: Discard::New,
            persistence: Persistence::Server,
            schedules: false,
            message_ttl: false,
            replicas: 1,
        }
    }
}

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// How many messages.
    pub messages: u64,
    /// How many bytes, the server's overhead included.
    pub bytes: u64,
    /// The sequence of the oldest message (last + 1 when empty).
    pub first_sequence: u64,
    /// The last sequence given out; never falls while the stream lives.
    pub last_sequence: u64,
    /// When the stream was made: another time under the same name is another stream.
    pub created: Timestamp,
}

/// A durable pull consumer with explicit acknowledgement and unlimited deliveries.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerSpec {
    /// The stream.
    pub stream: String,
    /// The durable name.
    pub name: String,
    /// Filter subjects; empty = all.
    pub filters: Vec<String>,
    /// A message not acknowledged for this long is delivered again.
    pub ack_wait: Duration,
    /// At most so many messages unacknowledged at a time.
    pub max_ack_pending: u64,
    /// `Some(t)`: only one reader at a time is served (priority policy pinned client); another takes
    /// over when the pinned one has not pulled for `t`. An optimisation, never a fence.
    pub pinned: Option<Duration>,
    /// `false`: starts with what comes after the consumer was made.
    pub from_start: bool,
}
