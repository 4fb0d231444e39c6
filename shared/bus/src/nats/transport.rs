//! The calls of the bus, answered by a nats-server.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::watch;

use super::convert;
use super::deliver::Durable;
use super::publish::Outgoing;
use super::read_all::SequenceRequest;
use super::reader::Ordered;
use super::session::Session;
use crate::transport::Transport;
use crate::{Consumer, ConsumerSpec, Error, Message, Reader, Stored, StreamSpec, StreamState, Subscription, check};

#[derive(Clone)]
pub(super) struct Nats {
    pub(super) session: Arc<Session>,
}

#[derive(Deserialize)]
struct StreamNames {
    streams: Option<Vec<String>>,
}

impl Nats {
    /// The stream that covers a literal subject; a cluster knows it without the stream's leader.
    pub(super) async fn stream_of(&self, subject: &str) -> Result<Option<String>, Error> {
        let request = convert::json(&serde_json::json!({ "subject": subject }));
        let names = self.session.call::<StreamNames>("STREAM.NAMES", request).await;
        let names = names.map_err(|error| error.about("the stream of", subject))?;
        Ok(names.streams.and_then(|streams| streams.into_iter().next()))
    }
}

impl Transport for Nats {
    fn ensure_stream(&self, spec: StreamSpec) -> BoxFuture<'_, Result<(), Error>> {
        async move {
            check::stream(&spec)?;
            self.session.ensure_stream(&spec).await
        }
        .boxed()
    }

    fn delete_stream(&self, stream: String) -> BoxFuture<'_, Result<(), Error>> {
        async move {
            check::name("stream name", &stream)?;
            self.session.delete_stream(&stream).await
        }
        .boxed()
    }

    fn state(&self, stream: String) -> BoxFuture<'_, Result<StreamState, Error>> {
        async move {
            check::name("stream name", &stream)?;
            self.session.stream_state(&stream).await
        }
        .boxed()
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn publish(&self, message: Message) -> BoxFuture<'_, Result<u64, Error>> {
        self.publish_waiting(message.into()).boxed()
    }

    fn publish_pipelined(&self, message: Message) -> BoxFuture<'static, Result<u64, Error>> {
        self.publish_now(message)
    }

    fn schedule(
        &self,
        subject: String,
        target: String,
        at: Timestamp,
        payload: Bytes,
    ) -> BoxFuture<'_, Result<u64, Error>> {
        async move {
            check::literal(&target)?;
            let schedule = [("Nats-Schedule", format!("@at {at}")), ("Nats-Schedule-Target", target)];
            let message = Message::new(subject, payload);
            self.publish_waiting(Outgoing::scheduled(message, schedule)).await
        }
        .boxed()
    }

    fn last(&self, stream: String, subject: String) -> BoxFuture<'_, Result<Option<Stored>, Error>> {
        async move {
            check::name("stream name", &stream)?;
            check::filter(&subject)?;
            self.session.last(&stream, &subject).await
        }
        .boxed()
    }

    fn get(&self, stream: String, sequence: u64) -> BoxFuture<'_, Result<Option<Stored>, Error>> {
        async move {
            check::name("stream name", &stream)?;
            self.session
                .get_message(&stream, &SequenceRequest { seq: sequence })
                .await
        }
        .boxed()
    }

    fn read_all(
        &self,
        stream: String,
        filter: String,
        from: u64,
        headers_only: bool,
    ) -> BoxFuture<'_, Result<Vec<Stored>, Error>> {
        async move {
            check::name("stream name", &stream)?;
            check::filter(&filter)?;
            if headers_only {
                self.read_headers(&stream, &filter, from).await
            } else {
                self.read_to_end(&stream, &filter, from).await
            }
        }
        .boxed()
    }

    fn reader(
        &self,
        stream: String,
        filter: String,
        from: u64,
        headers_only: bool,
    ) -> BoxFuture<'_, Result<Reader, Error>> {
        async move {
            check::name("stream name", &stream)?;
            check::filter(&filter)?;
            let reader = Ordered::open(self.session.clone(), stream, filter, from, headers_only).await?;
            Ok(Reader {
                inner: Box::new(reader),
            })
        }
        .boxed()
    }

    fn consumer(&self, spec: ConsumerSpec) -> BoxFuture<'_, Result<Consumer, Error>> {
        async move {
            check::consumer(&spec)?;
            self.session.ensure_consumer(&spec).await?;
            let durable = Durable::open(self.session.clone(), &spec).await?;
            Ok(Consumer {
                inner: Box::new(durable),
            })
        }
        .boxed()
    }

    fn reset_consumer(&self, stream: String, name: String) -> BoxFuture<'_, Result<(), Error>> {
        async move {
            check::name("stream name", &stream)?;
            check::name("consumer name", &name)?;
            self.session.reset_consumer(&stream, &name).await
        }
        .boxed()
    }

    fn delete_consumer(&self, stream: String, name: String) -> BoxFuture<'_, Result<(), Error>> {
        async move {
            check::name("stream name", &stream)?;
            check::name("consumer name", &name)?;
            self.session.delete_consumer(&stream, &name).await
        }
        .boxed()
    }

    fn purge(&self, stream: String, filter: String, before: Option<u64>) -> BoxFuture<'_, Result<u64, Error>> {
        async move {
            check::name("stream name", &stream)?;
            check::filter(&filter)?;
            self.session.purge(&stream, &filter, before).await
        }
        .boxed()
    }

    fn subscribe(&self, subject: String, queue: Option<String>) -> BoxFuture<'_, Result<Subscription, Error>> {
        self.listen(subject, queue).boxed()
    }

    fn notify(&self, message: Message) -> BoxFuture<'_, Result<(), Error>> {
        self.notify_now(message).boxed()
    }

    fn answer(&self, reply: String, payload: Bytes) -> BoxFuture<'_, Result<(), Error>> {
        self.answer_now(reply, payload).boxed()
    }

    fn connected(&self) -> watch::Receiver<bool> {
        self.session.connected.subscribe()
    }

    fn close(&self, grace: Duration) -> BoxFuture<'_, ()> {
        self.session.close(grace).boxed()
    }
}
