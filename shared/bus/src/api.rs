//! The handle: what every service may do with the bus.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::transport::Transport;
use crate::{Consumer, ConsumerSpec, Error, Message, Reader, Stored, StreamSpec, StreamState, Subscription};

/// The bus: cheap to clone, shared by everything in the process.
#[derive(Clone)]
pub struct Bus {
    pub(crate) transport: Arc<dyn Transport>,
}

impl Bus {
    /// Creates the stream or brings it to `spec`.
    ///
    /// # Errors
    /// [`Error::Refused`] when the server cannot change it so.
    pub async fn ensure_stream(&self, spec: &StreamSpec) -> Result<(), Error> {
        self.transport.ensure_stream(spec.clone()).await
    }

    /// Deletes the stream with all it holds; one that is not there counts as deleted.
    ///
    /// # Errors
    /// As [`Bus::last`], without [`Error::Missing`].
    pub async fn delete_stream(&self, stream: &str) -> Result<(), Error> {
        self.transport.delete_stream(stream.to_owned()).await
    }

    /// What the stream holds now, from the leader.
    ///
    /// # Errors
    /// As [`Bus::last`].
    pub async fn state(&self, stream: &str) -> Result<StreamState, Error> {
        self.transport.state(stream.to_owned()).await
    }

    /// The time by which schedules fire: the wall clock, or the memory transport's own, which follows
    /// tokio's (and so a paused clock).
    pub fn now(&self) -> Timestamp {
        self.transport.now()
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
        Ok(self.transport.state(stream.to_owned()).await?.last_sequence)
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

    /// Deletes the durable consumer; one that is not there counts as deleted.
    ///
    /// # Errors
    /// As [`Bus::last`], without [`Error::Missing`].
    pub async fn delete_consumer(&self, stream: &str, name: &str) -> Result<(), Error> {
        self.transport.delete_consumer(stream.to_owned(), name.to_owned()).await
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

    /// Answers a core message, on the `reply` it came with: at most once.
    ///
    /// # Errors
    /// As [`Bus::notify`].
    pub async fn answer(&self, reply: String, payload: Bytes) -> Result<(), Error> {
        self.transport.answer(reply, payload).await
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
