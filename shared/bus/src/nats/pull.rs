//! Standing pull requests to one consumer: messages come when they are stored, nothing is polled.
//!
//! A request is good for a number of messages and a time; when either is used up, or the connection
//! was lost, the next one is sent. So the server never hands out more than was asked for.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures::{FutureExt as _, StreamExt as _};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use super::convert;
use super::session::Session;
use super::specs::{PIN_GROUP, nanoseconds};
use crate::Error;

/// A request that has heard nothing for this long after its end is taken for lost.
const STALL: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct PullRequest<'a> {
    batch: usize,
    expires: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

/// What came.
pub(super) enum Heard {
    /// A message of the stream.
    Message(Message),
    /// A request ended, or was lost: ask for more.
    Ended,
    /// The connection was lost, or the consumer changed hands: what was asked for is void.
    Void,
    /// The consumer was deleted.
    Deleted,
    /// Nobody listens on the consumer's subject.
    Nobody,
    /// Somebody else holds the pin.
    WrongPin,
}

pub(super) struct Pull {
    pub(super) session: Arc<Session>,
    /// The id by which the server knows that the pin is ours.
    pub(super) pin: Option<String>,
    subject: String,
    inbox: String,
    subscriber: Subscriber,
    losses: watch::Receiver<u64>,
    outstanding: usize,
    stalled_at: Instant,
    expires: Duration,
    max_bytes: Option<usize>,
    pinned: bool,
}

/// How a consumer is to be asked.
#[derive(Clone, Copy)]
pub(super) struct Asking {
    /// The life of one request.
    pub(super) expires: Duration,
    /// At most so many bytes a request.
    pub(super) max_bytes: Option<usize>,
    pub(super) pinned: bool,
}

impl Pull {
    pub(super) async fn open(
        session: Arc<Session>,
        stream: &str,
        consumer: &str,
        asking: Asking,
    ) -> Result<Self, Error> {
        let inbox = session.client.new_inbox();
        let losses = session.losses.subscribe();
        let subscribed = session.client.subscribe(inbox.clone()).await;
        let subscriber = subscribed.map_err(|error| Error::Disconnected {
            address: session.address.clone(),
            source: Some(Box::new(error)),
        })?;
        Ok(Self {
            subject: format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"),
            inbox,
            subscriber,
            losses,
            outstanding: 0,
            stalled_at: Instant::now(),
            expires: asking.expires,
            max_bytes: asking.max_bytes,
            pinned: asking.pinned,
            pin: None,
            session,
        })
    }

    /// Asks for as many as are missing to `wanted`, once less than half of them are under way: a
    /// request for each message would cost as much as the message.
    pub(super) async fn top_up(&mut self, wanted: usize) {
        if self.outstanding > 0 && self.outstanding >= wanted / 2 {
            return;
        }
        let batch = wanted - self.outstanding;
        let request = PullRequest {
            batch,
            expires: nanoseconds(self.expires),
            max_bytes: self.max_bytes,
            group: self.pinned.then_some(PIN_GROUP),
            id: self.pin.as_deref(),
        };
        let payload = convert::json(&request);
        let sent = self
            .session
            .client
            .publish_with_reply(self.subject.clone(), self.inbox.clone(), payload)
            .await;
        if sent.is_ok() {
            self.outstanding += batch;
            self.stalled_at = Instant::now() + self.expires + STALL;
        }
    }

    /// Waits for what comes next.
    pub(super) async fn hear(&mut self) -> Heard {
        loop {
            let stalled_at = self.stalled_at;
            let heard = tokio::select! {
                biased;
                message = self.subscriber.next() => message.and_then(|message| self.classify(message)),
                _ = self.losses.changed() => Some(self.void()),
                () = tokio::time::sleep_until(stalled_at) => Some(self.void()),
            };
            if let Some(heard) = heard {
                return heard;
            }
            // A closed subscription would be ready for ever.
            if self.session.up().is_err() {
                return Heard::Void;
            }
        }
    }

    /// What is there already.
    pub(super) fn heard(&mut self) -> Option<Heard> {
        loop {
            let message = self.subscriber.next().now_or_never()??;
            if let Some(heard) = self.classify(message) {
                return Some(heard);
            }
        }
    }

    fn void(&mut self) -> Heard {
        self.outstanding = 0;
        self.stalled_at = Instant::now() + self.expires + STALL;
        Heard::Void
    }

    fn classify(&mut self, message: Message) -> Option<Heard> {
        let Some(status) = message.status else {
            self.outstanding = self.outstanding.saturating_sub(1);
            return Some(Heard::Message(message));
        };
        let words = message.description.as_deref().unwrap_or_default();
        match status.as_u16() {
            100 => None,
            423 => {
                self.pin = None;
                self.outstanding = 0;
                Some(Heard::WrongPin)
            }
            503 => {
                self.outstanding = 0;
                Some(Heard::Nobody)
            }
            409 if words.starts_with("Consumer Deleted") => {
                self.outstanding = 0;
                Some(Heard::Deleted)
            }
            _ => Some(self.ended(&message)),
        }
    }

    /// A request ended; its unused part is told, else nothing of what was asked for is sure.
    fn ended(&mut self, message: &Message) -> Heard {
        let headers = message.headers.as_ref();
        let unused = headers
            .and_then(|map| map.get_last("Nats-Pending-Messages"))
            .and_then(|value| value.as_str().parse().ok());
        let Some(unused) = unused else { return self.void() };
        self.outstanding = self.outstanding.saturating_sub(unused);
        Heard::Ended
    }
}
