//! What the bus hands out: stored messages, deliveries, the reading ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::transport::{Acknowledger, OrderedSource, PullSource};
use crate::{Error, Headers};

/// A stored message.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its subject.
    pub subject: String,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// When the server stored it.
    pub time: Timestamp,
    /// Application headers, by name; of the server's own only those of schedules (`Nats-Schedule…`).
    pub headers: Headers,
    /// Empty for a headers-only reader.
    pub payload: Bytes,
    /// Where an answer is expected; core messages only.
    pub reply: Option<String>,
}

impl Stored {
    /// The value of header `name` (exact case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// One message of a durable consumer; unacknowledged it comes again.
pub struct Delivery {
    /// The message.
    pub message: Stored,
    /// How often it was delivered, this time included.
    pub delivered: u64,
    pub(crate) acknowledger: Arc<dyn Acknowledger>,
}

/// A durable consumer's pull side.
pub struct Consumer {
    pub(crate) inner: Box<dyn PullSource>,
}

/// An ordered reader: every message of a filter from a sequence on, in order, without gaps; it
/// resumes by itself after reconnects and never ends but by error.
pub struct Reader {
    pub(crate) inner: Box<dyn OrderedSource>,
}

/// A core NATS subscription: at most once, for hints and requests.
pub struct Subscription {
    pub(crate) inner: Box<dyn OrderedSource>,
}

impl Consumer {
    /// The next messages: waits for the first, then takes what is there at once, at most `limit`.
    /// Never empty. Safe to cancel: nothing taken is lost.
    ///
    /// The server holds back what nobody asked for, so that it can go to another reader: ask for as
    /// many as can be handled. What was asked for and not yet given stays asked for, for at most
    /// 10 s; it is the first part of the next call's `limit`.
    ///
    /// # Errors
    /// [`Error::Missing`] when the consumer was deleted; lost connections are waited out.
    pub async fn next_batch(&mut self, limit: usize) -> Result<Vec<Delivery>, Error> {
        self.inner.next_batch(limit).await
    }
}

impl Delivery {
    /// Acknowledges; fire and forget (an acknowledgement that is lost means one more delivery).
    pub async fn ack(&self) {
        self.acknowledger.ack().await;
    }

    /// Asks for it again after `delay`.
    pub async fn retry_after(&self, delay: Duration) {
        self.acknowledger.retry_after(delay).await;
    }

    /// Starts its `ack_wait` anew. Proves no ownership.
    pub async fn in_progress(&self) {
        self.acknowledger.in_progress().await;
    }

    /// Never deliver it again, though it was not handled (poison).
    pub async fn terminate(&self) {
        self.acknowledger.terminate().await;
    }
}

impl Reader {
    /// The next message, in order.
    ///
    /// # Errors
    /// [`Error::Missing`] when the stream was deleted; lost connections are waited out.
    pub async fn next(&mut self) -> Result<Stored, Error> {
        self.inner.next().await
    }
}

impl Subscription {
    /// The next message (sequence 0).
    ///
    /// # Errors
    /// [`Error::Disconnected`] after [`crate::Bus::close`].
    pub async fn next(&mut self) -> Result<Stored, Error> {
        self.inner.next().await
    }
}
