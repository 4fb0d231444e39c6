//! The ordered reader: an ephemeral consumer, made anew at the last seen sequence plus one whenever
//! the connection, the server or a message was lost.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::convert;
use super::options::reconnect_pause;
use super::pull::{Asking, Heard, Pull};
use super::session::Session;
use crate::transport::OrderedSource;
use crate::{Error, Stored};

/// Messages asked for ahead of the caller.
const AHEAD: usize = 512;
/// Bytes a request may bring, so that a slow caller holds at most a few times this.
const MAX_REQUEST_BYTES: usize = 8 * 1024 * 1024;

const ASKING: Asking = Asking {
    expires: Duration::from_secs(10),
    max_bytes: Some(MAX_REQUEST_BYTES),
    pinned: false,
};

pub(super) struct Ordered {
    session: Arc<Session>,
    stream: String,
    filter: String,
    headers_only: bool,
    /// The next stream sequence to read.
    next: u64,
    source: Option<Source>,
    trouble: usize,
}

struct Source {
    pull: Pull,
    consumer: String,
    consumer_sequence: u64,
}

impl Ordered {
    /// Makes the first consumer, so that a missing stream shows at once.
    pub(super) async fn open(
        session: Arc<Session>,
        stream: String,
        filter: String,
        from: u64,
        headers_only: bool,
    ) -> Result<Self, Error> {
        let mut reader = Self {
            session,
            stream,
            filter,
            headers_only,
            next: from.max(1),
            source: None,
            trouble: 0,
        };
        reader.source = Some(reader.attach().await?);
        Ok(reader)
    }

    /// Where it stands: the next sequence it would give.
    pub(super) fn position(&self) -> u64 {
        self.next
    }

    pub(super) async fn read(&mut self) -> Result<Stored, Error> {
        loop {
            self.session.up()?;
            let Some(source) = &mut self.source else {
                self.reattach().await?;
                continue;
            };
            // Before the last request is used up, so that the server need not wait.
            source.pull.top_up(AHEAD).await;
            let heard = match source.pull.heard() {
                Some(heard) => heard,
                None => source.pull.hear().await,
            };
            match heard {
                Heard::Message(message) => {
                    if let Some(stored) = self.take(&message) {
                        return Ok(stored);
                    }
                }
                Heard::Ended => {}
                Heard::Void | Heard::Deleted | Heard::Nobody | Heard::WrongPin => self.detach(),
            }
        }
    }

    /// The message, if it is the next one; else something was lost.
    fn take(&mut self, message: &async_nats::Message) -> Option<Stored> {
        let source = self.source.as_mut()?;
        let (mut stored, envelope) = convert::delivered(message)?;
        if envelope.consumer_sequence != source.consumer_sequence + 1 {
            tracing::debug!(
                stream = self.stream,
                next = self.next,
                "A message was lost; the reader starts over."
            );
            self.detach();
            return None;
        }
        source.consumer_sequence = envelope.consumer_sequence;
        self.next = stored.sequence + 1;
        self.trouble = 0;
        if self.headers_only {
            stored.payload.clear();
        }
        Some(stored)
    }

    async fn reattach(&mut self) -> Result<(), Error> {
        self.session.reach().await?;
        self.trouble += 1;
        tokio::time::sleep(reconnect_pause(self.trouble)).await;
        match self.attach().await {
            Ok(source) => {
                self.source = Some(source);
                Ok(())
            }
            Err(Error::Unknown { .. } | Error::Disconnected { .. }) => self.session.up().map(drop),
            Err(error) => Err(error),
        }
    }

    async fn attach(&self) -> Result<Source, Error> {
        let consumer = format!("reader-{:016x}", rand::random::<u64>());
        // Subscribed first: a loss after this voids the pull.
        let pull = Pull::open(self.session.clone(), &self.stream, &consumer, ASKING).await?;
        self.session
            .create_ordered(&self.stream, &consumer, &self.filter, self.next, self.headers_only)
            .await?;
        Ok(Source {
            pull,
            consumer,
            consumer_sequence: 0,
        })
    }

    /// Leaves the consumer behind; should the word not arrive, the server removes it after a minute.
    fn detach(&mut self) {
        if let Some(source) = self.source.take() {
            let call = format!("$JS.API.CONSUMER.DELETE.{}.{}", self.stream, source.consumer);
            self.session.send_now(call, bytes::Bytes::new());
        }
    }
}

impl OrderedSource for Ordered {
    fn next(&mut self) -> BoxFuture<'_, Result<Stored, Error>> {
        self.read().boxed()
    }
}

impl Drop for Ordered {
    fn drop(&mut self) {
        self.detach();
    }
}
