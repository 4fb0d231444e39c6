//! The pull side of a durable consumer, and its acknowledgements.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::convert;
use super::options::reconnect_pause;
use super::outcome::missing;
use super::pull::{Asking, Heard, Pull};
use super::session::Session;
use crate::transport::{Acknowledger, PullSource};
use crate::{ConsumerSpec, Delivery, Error};

/// The life of one pull request of a consumer that is not pinned.
const EXPIRES: Duration = Duration::from_secs(10);
/// The shortest life; the server refuses less than a millisecond.
const MIN_EXPIRES: Duration = Duration::from_millis(100);

/// A durable consumer.
pub(super) struct Durable {
    pull: Pull,
    stream: String,
    name: String,
    /// Taken from the subscription, not yet handed out.
    ready: VecDeque<Delivery>,
    /// What was heard behind the messages that are ready.
    pending: Option<Heard>,
    trouble: usize,
}

impl Durable {
    pub(super) async fn open(session: Arc<Session>, spec: &ConsumerSpec) -> Result<Self, Error> {
        // The pin is lost when its holder has not asked for its timeout, so it asks thrice within.
        let expires = spec.pinned.map_or(EXPIRES, |timeout| (timeout / 3).max(MIN_EXPIRES));
        let asking = Asking {
            expires,
            max_bytes: None,
            pinned: spec.pinned.is_some(),
        };
        Ok(Self {
            pull: Pull::open(session, &spec.stream, &spec.name, asking).await?,
            stream: spec.stream.clone(),
            name: spec.name.clone(),
            ready: VecDeque::new(),
            pending: None,
            trouble: 0,
        })
    }

    async fn next(&mut self, limit: usize) -> Result<Vec<Delivery>, Error> {
        let limit = limit.max(1);
        loop {
            self.drain(limit);
            if !self.ready.is_empty() {
                self.trouble = 0;
                let count = self.ready.len().min(limit);
                return Ok(self.ready.drain(..count).collect());
            }
            let heard = match self.pending.take() {
                Some(heard) => heard,
                None => {
                    self.pull.session.reach().await?;
                    self.pull.top_up(limit).await;
                    self.pull.hear().await
                }
            };
            self.react(heard).await?;
        }
    }

    /// Takes what has arrived, without waiting, so that nothing is lost when the caller goes away.
    fn drain(&mut self, limit: usize) {
        while self.ready.len() < limit && self.pending.is_none() {
            match self.pull.heard() {
                Some(Heard::Message(message)) => self.take(&message),
                Some(heard) => self.pending = Some(heard),
                None => return,
            }
        }
    }

    async fn react(&mut self, heard: Heard) -> Result<(), Error> {
        match heard {
            Heard::Message(message) => self.take(&message),
            Heard::Ended => {}
            Heard::Void => {
                self.pull.session.up()?;
            }
            Heard::WrongPin => {
                self.pull.session.note_pin(&self.stream, &self.name, false);
            }
            Heard::Deleted => return Err(missing("consumer", &self.name)),
            Heard::Nobody => {
                self.trouble += 1;
                tokio::time::sleep(reconnect_pause(self.trouble)).await;
                match self.pull.session.probe_consumer(&self.stream, &self.name).await {
                    // The server is coming or going; ask again.
                    Ok(()) | Err(Error::Unknown { .. } | Error::Disconnected { .. }) => {}
                    Err(error) => return Err(error),
                }
                self.pull.session.up()?;
            }
        }
        Ok(())
    }

    fn take(&mut self, message: &async_nats::Message) {
        let (Some((stored, envelope)), Some(reply)) = (convert::delivered(message), &message.reply) else {
            tracing::warn!(
                subject = message.subject.as_str(),
                "A message came to a consumer's inbox from elsewhere."
            );
            return;
        };
        self.note_pin(message);
        let acknowledger = Acknowledgement {
            session: self.pull.session.clone(),
            reply: reply.clone(),
        };
        self.ready.push_back(Delivery {
            message: stored,
            delivered: envelope.delivered,
            acknowledger: Arc::new(acknowledger),
        });
    }

    fn note_pin(&mut self, message: &async_nats::Message) {
        let pin = message.headers.as_ref().and_then(|map| map.get_last("Nats-Pin-Id"));
        if let Some(pin) = pin.map(|value| value.as_str())
            && self.pull.pin.as_deref() != Some(pin)
        {
            self.pull.pin = Some(pin.to_owned());
            self.pull.session.note_pin(&self.stream, &self.name, true);
        }
    }
}

impl PullSource for Durable {
    fn next_batch(&mut self, limit: usize) -> BoxFuture<'_, Result<Vec<Delivery>, Error>> {
        self.next(limit).boxed()
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        self.drain(usize::MAX);
        // What nobody will handle here is free for others at once, not after `ack_wait`.
        for delivery in self.ready.drain(..) {
            if delivery
                .acknowledger
                .retry_after(Duration::ZERO)
                .now_or_never()
                .is_none()
            {
                break;
            }
        }
        if self.pull.pin.is_some() && self.pull.session.note_pin(&self.stream, &self.name, false) {
            self.pull.session.unpin(&self.stream, &self.name);
        }
    }
}

/// The far end of one delivery.
struct Acknowledgement {
    session: Arc<Session>,
    reply: async_nats::Subject,
}

impl Acknowledgement {
    async fn send(&self, verdict: Bytes) {
        // On a lost connection it goes nowhere, and the message comes again: at least once.
        if let Err(error) = self.session.client.publish(self.reply.clone(), verdict).await {
            tracing::debug!(%error, "An acknowledgement was not sent.");
        }
    }
}

impl Acknowledger for Acknowledgement {
    fn ack(&self) -> BoxFuture<'_, ()> {
        self.send(Bytes::from_static(b"+ACK")).boxed()
    }

    fn retry_after(&self, delay: Duration) -> BoxFuture<'_, ()> {
        let nanoseconds = super::specs::nanoseconds(delay);
        let verdict = if nanoseconds == 0 {
            "-NAK".to_owned()
        } else {
            format!("-NAK {{\"delay\":{nanoseconds}}}")
        };
        self.send(verdict.into()).boxed()
    }

    fn in_progress(&self) -> BoxFuture<'_, ()> {
        self.send(Bytes::from_static(b"+WPI")).boxed()
    }

    fn terminate(&self) -> BoxFuture<'_, ()> {
        self.send(Bytes::from_static(b"+TERM")).boxed()
    }
}
