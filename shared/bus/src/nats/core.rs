//! Core messages: at most once, for hints.

use std::sync::Arc;

use async_nats::Subscriber;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use tokio::time::Instant;

use super::convert;
use super::session::Session;
use super::transport::Nats;
use crate::transport::OrderedSource;
use crate::{Error, MAX_MESSAGE_BYTES, Message, Stored, Subscription, check};

impl Nats {
    pub(super) async fn notify_now(&self, message: Message) -> Result<(), Error> {
        check::message(&message)?;
        self.session.reach_by(Instant::now() + self.session.timeout).await?;
        let client = &self.session.client;
        let sent = match convert::header_map(&message) {
            Some(headers) => {
                client
                    .publish_with_headers(message.subject, headers, message.payload)
                    .await
            }
            None => client.publish(message.subject, message.payload).await,
        };
        sent.map_err(|error| Error::Disconnected {
            address: self.session.address.clone(),
            source: Some(Box::new(error)),
        })
    }

    pub(super) async fn answer_now(&self, reply: String, payload: Bytes) -> Result<(), Error> {
        let size = payload.len();
        if size > MAX_MESSAGE_BYTES {
            return Err(Error::TooLarge {
                subject: reply,
                size,
                limit: MAX_MESSAGE_BYTES,
            });
        }
        self.session.reach_by(Instant::now() + self.session.timeout).await?;
        let sent = self.session.client.publish(reply, payload).await;
        sent.map_err(|error| Error::Disconnected {
            address: self.session.address.clone(),
            source: Some(Box::new(error)),
        })
    }

    pub(super) async fn listen(&self, subject: String, queue: Option<String>) -> Result<Subscription, Error> {
        check::filter(&subject)?;
        let client = &self.session.client;
        self.session.reach_by(Instant::now() + self.session.timeout).await?;
        let subscribed = match queue {
            Some(queue) => {
                check::name("queue group", &queue)?;
                client.queue_subscribe(subject, queue).await
            }
            None => client.subscribe(subject).await,
        };
        let subscriber = subscribed.map_err(|error| Error::Disconnected {
            address: self.session.address.clone(),
            source: Some(Box::new(error)),
        })?;
        // So that what is published from here on is heard, by whomever: an answer proves that the
        // server knows the subscription.
        self.session.check_level().await?;
        let session = self.session.clone();
        Ok(Subscription {
            inner: Box::new(Listener { session, subscriber }),
        })
    }
}

/// A core subscription; the client makes it anew after a reconnect.
struct Listener {
    session: Arc<Session>,
    subscriber: Subscriber,
}

impl OrderedSource for Listener {
    fn next(&mut self) -> BoxFuture<'_, Result<Stored, Error>> {
        async {
            let message = self.subscriber.next().await;
            message.map(convert::hint).ok_or_else(|| self.session.disconnected())
        }
        .boxed()
    }
}
