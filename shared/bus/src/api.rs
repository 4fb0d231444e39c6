//! The handle: what every service may do with the bus.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{ConsumerSpec, Error, Headers, Message, StreamSpec};

/// A stored message.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its subject.
    pub subject: String,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// When the server stored it.
    pub time: Timestamp,
    /// Application headers and the server's own.
    pub headers: Headers,
    /// Empty for a headers-only reader.
    pub payload: Bytes,
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

/// The bus: cheap to clone, shared by everything in the process.
#[derive(Clone)]
pub struct Bus {
    pub(crate) transport: Arc<dyn Transport>,
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

impl Bus {
    /// Creates the stream or brings it to `spec`.
    ///
    /// # Errors
    /// [`Error::Refused`] when the server cannot change it so.
    pub async fn ensure_stream(&self, spec: &StreamSpec) -> Result<(), Error> {
        self.transport.ensure_stream(spec.clone()).await
    }

    /// Publishes and waits until stored; gives the sequence.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Unknown`], [`Error::Full`], [`Error::TooLarge`], [`Error::Disconnected`].
    pub async fn publish(&self, message: Message) -> Result<u64, Error> {
        self.transport.publish(message).await
    }

    /// Sends now, in call order; the returned future waits for the acknowledgement. Several may be
    /// under way.
    pub fn publish_pipelined(&self, message: Message) -> BoxFuture<'static, Result<u64, Error>> {
        self.transport.publish_pipelined(message)
    }

    /// Publishes a message that the server delivers on `target` (a subject of the same stream) at
    /// `at`; one schedule a `subject`, the newest replaces the one before. A time in the past fires
    /// at once.
    ///
    /// # Errors
    /// As [`Bus::publish`].
    pub async fn schedule(&self, subject: &str, target: &str, at: Timestamp, payload: Bytes) -> Result<u64, Error> {
        self.transport
            .schedule(subject.to_owned(), target.to_owned(), at, payload)
            .await
    }

    /// The last message of a literal subject (or of a filter), read from the leader.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Missing`], [`Error::Disconnected`].
    pub async fn last(&self, stream: &str, subject: &str) -> Result<Option<Stored>, Error> {
        self.transport.last(stream.to_owned(), subject.to_owned()).await
    }

    /// The message with this sequence, read from the leader; `None` if it is gone.
    ///
    /// # Errors
    /// As [`Bus::last`].
    pub async fn get(&self, stream: &str, sequence: u64) -> Result<Option<Stored>, Error> {
        self.transport.get(stream.to_owned(), sequence).await
    }

    /// The stream's last sequence, from the leader.
    ///
    /// # Errors
    /// As [`Bus::last`].
    pub async fn last_sequence(&self, stream: &str) -> Result<u64, Error> {
        self.transport.last_sequence(stream.to_owned()).await
    }

    /// Everything stored under `filter` from `from` on, up to what the stream held at the call; a
    /// finite read, in order. `headers_only` leaves payloads empty.
    ///
    /// # Errors
    /// As [`Bus::last`].
    pub async fn read_all(
        &self,
        stream: &str,
        filter: &str,
        from: u64,
        headers_only: bool,
    ) -> Result<Vec<Stored>, Error> {
        self.transport
            .read_all(stream.to_owned(), filter.to_owned(), from, headers_only)
            .await
    }

    /// An ordered reader of `filter` from sequence `from` (0 or 1 = from the start) on.
    ///
    /// # Errors
    /// As [`Bus::last`].
    pub async fn reader(&self, stream: &str, filter: &str, from: u64, headers_only: bool) -> Result<Reader, Error> {
        self.transport
            .reader(stream.to_owned(), filter.to_owned(), from, headers_only)
            .await
    }

    /// Creates or joins the durable consumer.
    ///
    /// # Errors
    /// [`Error::Missing`] without the stream; [`Error::Refused`].
    pub async fn consumer(&self, spec: &ConsumerSpec) -> Result<Consumer, Error> {
        self.transport.consumer(spec.clone()).await
    }

    /// Makes all unacknowledged messages of the durable consumer come again at once, and, where it
    /// is pinned, lets go of the pin.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Unknown`].
    pub async fn reset_consumer(&self, stream: &str, name: &str) -> Result<(), Error> {
        self.transport.reset_consumer(stream.to_owned(), name.to_owned()).await
    }

    /// Removes every message of `filter` (all of them, or those below `before` when given).
    ///
    /// # Errors
    /// As [`Bus::last`].
    pub async fn purge(&self, stream: &str, filter: &str, before: Option<u64>) -> Result<u64, Error> {
        self.transport.purge(stream.to_owned(), filter.to_owned(), before).await
    }

    /// Core subscription. `queue`: only one member of the group gets each message.
    ///
    /// # Errors
    /// [`Error::Disconnected`], [`Error::Invalid`].
    pub async fn subscribe(&self, subject: &str, queue: Option<&str>) -> Result<Subscription, Error> {
        self.transport
            .subscribe(subject.to_owned(), queue.map(str::to_owned))
            .await
    }

    /// Core publish: at most once, not stored unless a stream listens.
    ///
    /// # Errors
    /// [`Error::Disconnected`], [`Error::TooLarge`].
    pub async fn notify(&self, message: Message) -> Result<(), Error> {
        self.transport.notify(message).await
    }

    /// Whether the connection is up, as a value that can be waited on.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.transport.connected()
    }

    /// Flushes what is under way and closes, within `grace`.
    pub async fn close(&self, grace: Duration) {
        self.transport.close(grace).await;
    }
}

impl Consumer {
    /// The next messages: waits for the first, then takes what is there at once, at most `limit`.
    /// Never empty.
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
    /// [`Error::Disconnected`] after [`Bus::close`].
    pub async fn next(&mut self) -> Result<Stored, Error> {
        self.inner.next().await
    }
}

/// What a transport must do; the contract is that of [`Bus`].
pub(crate) trait Transport: Send + Sync {
    fn ensure_stream(&self, spec: StreamSpec) -> BoxFuture<'_, Result<(), Error>>;
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<u64, Error>>;
    fn publish_pipelined(&self, message: Message) -> BoxFuture<'static, Result<u64, Error>>;
    fn schedule(
        &self,
        subject: String,
        target: String,
        at: Timestamp,
        payload: Bytes,
    ) -> BoxFuture<'_, Result<u64, Error>>;
    fn last(&self, stream: String, subject: String) -> BoxFuture<'_, Result<Option<Stored>, Error>>;
    fn get(&self, stream: String, sequence: u64) -> BoxFuture<'_, Result<Option<Stored>, Error>>;
    fn last_sequence(&self, stream: String) -> BoxFuture<'_, Result<u64, Error>>;
    fn read_all(
        &self,
        stream: String,
        filter: String,
        from: u64,
        headers_only: bool,
    ) -> BoxFuture<'_, Result<Vec<Stored>, Error>>;
    fn reader(
        &self,
        stream: String,
        filter: String,
        from: u64,
        headers_only: bool,
    ) -> BoxFuture<'_, Result<Reader, Error>>;
    fn consumer(&self, spec: ConsumerSpec) -> BoxFuture<'_, Result<Consumer, Error>>;
    fn reset_consumer(&self, stream: String, name: String) -> BoxFuture<'_, Result<(), Error>>;
    fn purge(&self, stream: String, filter: String, before: Option<u64>) -> BoxFuture<'_, Result<u64, Error>>;
    fn subscribe(&self, subject: String, queue: Option<String>) -> BoxFuture<'_, Result<Subscription, Error>>;
    fn notify(&self, message: Message) -> BoxFuture<'_, Result<(), Error>>;
    fn connected(&self) -> watch::Receiver<bool>;
    fn close(&self, grace: Duration) -> BoxFuture<'_, ()>;
}

/// The far end of one delivery.
pub(crate) trait Acknowledger: Send + Sync {
    fn ack(&self) -> BoxFuture<'_, ()>;
    fn retry_after(&self, delay: Duration) -> BoxFuture<'_, ()>;
    fn in_progress(&self) -> BoxFuture<'_, ()>;
    fn terminate(&self) -> BoxFuture<'_, ()>;
}

/// The far end of a durable consumer.
pub(crate) trait PullSource: Send {
    fn next_batch(&mut self, limit: usize) -> BoxFuture<'_, Result<Vec<Delivery>, Error>>;
}

/// The far end of a reader or subscription.
pub(crate) trait OrderedSource: Send {
    fn next(&mut self) -> BoxFuture<'_, Result<Stored, Error>>;
}
