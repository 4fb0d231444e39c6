//! What a transport must do; the contract is that of [`crate::Bus`].

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{Consumer, ConsumerSpec, Delivery, Error, Message, Reader, Stored, StreamSpec, StreamState, Subscription};

/// What a transport must do; the contract is that of [`crate::Bus`].
pub(crate) trait Transport: Send + Sync {
    fn ensure_stream(&self, spec: StreamSpec) -> BoxFuture<'_, Result<(), Error>>;
    fn delete_stream(&self, stream: String) -> BoxFuture<'_, Result<(), Error>>;
    fn state(&self, stream: String) -> BoxFuture<'_, Result<StreamState, Error>>;
    fn now(&self) -> Timestamp;
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
    fn delete_consumer(&self, stream: String, name: String) -> BoxFuture<'_, Result<(), Error>>;
    fn purge(&self, stream: String, filter: String, before: Option<u64>) -> BoxFuture<'_, Result<u64, Error>>;
    fn subscribe(&self, subject: String, queue: Option<String>) -> BoxFuture<'_, Result<Subscription, Error>>;
    fn notify(&self, message: Message) -> BoxFuture<'_, Result<(), Error>>;
    fn answer(&self, reply: String, payload: Bytes) -> BoxFuture<'_, Result<(), Error>>;
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
