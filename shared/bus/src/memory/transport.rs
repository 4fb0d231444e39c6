//! The calls of the bus, answered in memory.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;

use super::pull::MemoryPull;
use super::source::{MemoryReader, MemorySubscription};
use super::{Connection, disconnected};
use crate::transport::Transport;
use crate::{Consumer, ConsumerSpec, Error, Message, Reader, Stored, StreamSpec, StreamState, Subscription, check};

impl Transport for Connection {
    fn ensure_stream(&self, spec: StreamSpec) -> BoxFuture<'_, Result<(), Error>> {
        async move {
            check::stream(&spec)?;
            self.call(|world| world.ensure_stream(spec)).await
        }
        .boxed()
    }

    fn delete_stream(&self, stream: String) -> BoxFuture<'_, Result<(), Error>> {
        self.call(move |world| {
            world.streams.remove(&stream);
            Ok(())
        })
        .boxed()
    }

    fn state(&self, stream: String) -> BoxFuture<'_, Result<StreamState, Error>> {
        self.call(move |world| Ok(world.store(&stream)?.state())).boxed()
    }

    fn now(&self) -> Timestamp {
        self.shared.lock().time()
    }

    fn publish(&self, message: Message) -> BoxFuture<'_, Result<u64, Error>> {
        self.store_reached(message, None).boxed()
    }

    fn publish_pipelined(&self, message: Message) -> BoxFuture<'static, Result<u64, Error>> {
        let outcome = check::message(&message).and_then(|()| {
            let dropped = self.drop_out();
            if dropped || !self.up()? {
                Err(disconnected())
            } else {
                self.store(message, None)
            }
        });
        futures::future::ready(outcome).boxed()
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
            self.store_reached(Message::new(subject, payload), Some((target, at)))
                .await
        }
        .boxed()
    }

    fn last(&self, stream: String, subject: String) -> BoxFuture<'_, Result<Option<Stored>, Error>> {
        async move {
            check::filter(&subject)?;
            self.call(|world| Ok(world.store(&stream)?.last(&subject).cloned()))
                .await
        }
        .boxed()
    }

    fn get(&self, stream: String, sequence: u64) -> BoxFuture<'_, Result<Option<Stored>, Error>> {
        self.call(move |world| Ok(world.store(&stream)?.get(sequence).cloned()))
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
            check::filter(&filter)?;
            self.call(|world| {
                let store = world.store(&stream)?;
                let (filters, mut next, mut all) = ([filter], from, Vec::new());
                while let Some(stored) = store.first_from(next, &filters) {
                    next = stored.sequence + 1;
                    let mut stored = stored.clone();
                    if headers_only {
                        stored.payload.clear();
                    }
                    all.push(stored);
                }
                Ok(all)
            })
            .await
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
            check::filter(&filter)?;
            self.call(|world| world.store(&stream).map(drop)).await?;
            let reader = MemoryReader::new(self.clone(), stream, filter, from, headers_only);
            Ok(Reader {
                inner: Box::new(reader),
            })
        }
        .boxed()
    }

    fn consumer(&self, spec: ConsumerSpec) -> BoxFuture<'_, Result<Consumer, Error>> {
        async move {
            check::consumer(&spec)?;
            let (stream, name) = (spec.stream.clone(), spec.name.clone());
            self.call(|world| world.ensure_consumer(spec)).await?;
            let pull = MemoryPull::new(self.clone(), stream, name);
            Ok(Consumer { inner: Box::new(pull) })
        }
        .boxed()
    }

    fn reset_consumer(&self, stream: String, name: String) -> BoxFuture<'_, Result<(), Error>> {
        self.call(move |world| world.with_durable(&stream, &name, |durable, _, _| durable.reset()))
            .boxed()
    }

    fn delete_consumer(&self, stream: String, name: String) -> BoxFuture<'_, Result<(), Error>> {
        self.call(move |world| {
            if let Ok(store) = world.store(&stream) {
                store.durables.remove(&name);
            }
            Ok(())
        })
        .boxed()
    }

    fn purge(&self, stream: String, filter: String, before: Option<u64>) -> BoxFuture<'_, Result<u64, Error>> {
        async move {
            check::filter(&filter)?;
            self.call(|world| Ok(world.store(&stream)?.purge(&filter, before)))
                .await
        }
        .boxed()
    }

    fn subscribe(&self, subject: String, queue: Option<String>) -> BoxFuture<'_, Result<Subscription, Error>> {
        async move {
            check::filter(&subject)?;
            if let Some(queue) = &queue {
                check::name("queue group", queue)?;
            }
            let receiver = self.call(|world| Ok(world.subscribe(subject, queue))).await?;
            let inner = Box::new(MemorySubscription {
                connection: self.clone(),
                receiver,
            });
            Ok(Subscription { inner })
        }
        .boxed()
    }

    fn notify(&self, message: Message) -> BoxFuture<'_, Result<(), Error>> {
        async move {
            check::message(&message)?;
            self.call(|world| match world.append(message, None) {
                // Nobody stores it: that is what core messages are for.
                Err(_) | Ok(_) => Ok(()),
            })
            .await
        }
        .boxed()
    }

    fn answer(&self, reply: String, payload: Bytes) -> BoxFuture<'_, Result<(), Error>> {
        self.notify(Message::new(reply, payload))
    }

    fn connected(&self) -> watch::Receiver<bool> {
        self.link.connected.subscribe()
    }

    fn close(&self, _grace: Duration) -> BoxFuture<'_, ()> {
        self.link.closed.send_replace(true);
        self.link.set_connected(false);
        self.shared.touch();
        futures::future::ready(()).boxed()
    }
}
