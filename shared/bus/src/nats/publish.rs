//! Publishing with acknowledgement: one round trip, refusals by number, what is busy tried again.

use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::options::jittered;
use super::outcome::{ApiError, Failure, Refusal, missing};
use super::session::{MAX_UNDER_WAY_BYTES, MESSAGE_OVERHEAD_BYTES};
use super::transport::Nats;
use super::{convert, pack};
use crate::{Error, Message, check};

/// Tries of a publish that the server calls busy; the pauses between them sum up to about 250 ms.
const MAX_BUSY_TRIES: u32 = 8;
/// Between two tries while the stream has no leader, about this long.
const LEADERLESS_PAUSE: Duration = Duration::from_millis(100);

#[derive(Deserialize)]
struct Acknowledgement {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    error: Option<ApiError>,
}

/// A message on its way, with what the server is told beside it.
pub(super) struct Outgoing {
    pub(super) message: Message,
    /// The headers of a schedule. What it brings is not packed: the server makes the message.
    pub(super) schedule: Option<[(&'static str, String); 2]>,
    /// The payload as it goes into the stream, where it is not the message's own.
    packed: Option<Bytes>,
}

/// What one try came to.
enum Tried {
    Stored(u64),
    Nobody,
    Refused(ApiError),
}

impl From<Message> for Outgoing {
    fn from(message: Message) -> Self {
        Self {
            packed: pack::pack(&message.payload).map(Bytes::from),
            message,
            schedule: None,
        }
    }
}

impl Outgoing {
    /// A message that the server publishes later.
    pub(super) fn scheduled(message: Message, schedule: [(&'static str, String); 2]) -> Self {
        Self {
            message,
            schedule: Some(schedule),
            packed: None,
        }
    }

    fn payload(&self) -> Bytes {
        self.packed.as_ref().unwrap_or(&self.message.payload).clone()
    }

    fn header_map(&self) -> Option<HeaderMap> {
        let mut map = convert::header_map(&self.message);
        if self.packed.is_some() {
            let (name, value) = pack::HEADER;
            map.get_or_insert_default().insert(name, value);
        }
        let Some(schedule) = &self.schedule else { return map };
        let mut map = map.unwrap_or_default();
        for (name, value) in schedule {
            map.insert(*name, value.as_str());
        }
        Some(map)
    }

    /// What it counts of [`MAX_UNDER_WAY_BYTES`].
    fn cost(&self) -> u32 {
        u32::try_from(self.message.payload.len() + MESSAGE_OVERHEAD_BYTES).unwrap_or(u32::MAX)
    }
}

impl Nats {
    /// Waits for the connection and for room, then publishes.
    pub(super) async fn publish_waiting(&self, outgoing: Outgoing) -> Result<u64, Error> {
        check::message(&outgoing.message)?;
        self.session.reach_by(Instant::now() + self.session.timeout).await?;
        // The semaphore lives as long as the session and is never closed.
        let room = self
            .session
            .under_way
            .clone()
            .acquire_many_owned(outgoing.cost())
            .await
            .ok();
        self.settle(outgoing, room).await
    }

    /// Sends before it returns, or says why not.
    pub(super) fn publish_now(&self, message: Message) -> BoxFuture<'static, Result<u64, Error>> {
        let outgoing = Outgoing::from(message);
        let room = match self.room_for(&outgoing) {
            Ok(room) => room,
            Err(error) => return futures::future::ready(Err(error)).boxed(),
        };
        let nats = self.clone();
        let mut answer = async move { nats.settle(outgoing, Some(room)).await }.boxed();
        // The first poll hands the message to the connection. It must not fail for want of the
        // caller's budget, or messages would change places.
        match tokio::task::unconstrained(&mut answer).now_or_never() {
            Some(outcome) => futures::future::ready(outcome).boxed(),
            None => answer,
        }
    }

    fn room_for(&self, outgoing: &Outgoing) -> Result<OwnedSemaphorePermit, Error> {
        check::message(&outgoing.message)?;
        if !self.session.up()? {
            return Err(self.session.disconnected());
        }
        let room = self.session.under_way.clone().try_acquire_many_owned(outgoing.cost());
        room.map_err(|_| Error::Full {
            subject: outgoing.message.subject.clone(),
            limit: format!("{MAX_UNDER_WAY_BYTES} bytes of unanswered publishes in this process"),
        })
    }

    /// Tries until the server has stored it or refused it for good.
    async fn settle(&self, outgoing: Outgoing, _room: Option<OwnedSemaphorePermit>) -> Result<u64, Error> {
        let give_up = Instant::now() + self.session.timeout;
        let mut busy = 0;
        loop {
            match self.attempt(&outgoing).await? {
                Tried::Stored(sequence) => return Ok(sequence),
                Tried::Nobody => self.await_leader(&outgoing.message.subject, give_up).await?,
                Tried::Refused(error) if error.refusal() == Refusal::Busy => {
                    busy += 1;
                    if busy == MAX_BUSY_TRIES {
                        return Err(self.still_busy(&outgoing.message).await);
                    }
                    tokio::time::sleep(jittered(Duration::from_millis(1 << busy))).await;
                }
                Tried::Refused(error) => return Err(refused(error, outgoing.message)),
            }
        }
    }

    /// Nobody listens on `subject`: either there is no such stream, or it is choosing its leader.
    async fn await_leader(&self, subject: &str, give_up: Instant) -> Result<(), Error> {
        if self.stream_of(subject).await?.is_none() {
            return Err(missing("stream", subject));
        }
        if Instant::now() >= give_up {
            return Err(self.session.unknown(subject));
        }
        tokio::time::sleep(jittered(LEADERLESS_PAUSE)).await;
        Ok(())
    }

    async fn attempt(&self, outgoing: &Outgoing) -> Result<Tried, Error> {
        let message = &outgoing.message;
        let asked = self
            .session
            .request(message.subject.clone(), outgoing.header_map(), outgoing.payload());
        let answer = match asked.await {
            Ok(answer) => answer,
            Err(Failure::Nobody) => return Ok(Tried::Nobody),
            Err(Failure::Lost) => {
                // Closed for good, or an answer that never came.
                self.session.up()?;
                return Err(self.session.unknown(&message.subject));
            }
            Err(Failure::Unsendable) => {
                let limit = self.session.client.max_payload();
                return Err(Error::TooLarge {
                    subject: message.subject.clone(),
                    size: message.payload.len(),
                    limit,
                });
            }
        };
        match serde_json::from_slice(&answer.payload) {
            Ok(Acknowledgement { error: Some(error), .. }) => Ok(Tried::Refused(error)),
            Ok(Acknowledgement { seq, .. }) if seq > 0 => Ok(Tried::Stored(seq)),
            // Somebody answered who is no stream.
            Ok(_) | Err(_) => Err(self.session.unknown(&message.subject)),
        }
    }

    /// What to say when the server stays busy: where the subject stands decides.
    async fn still_busy(&self, message: &Message) -> Error {
        let Some(expected) = message.expected_last else {
            return self.session.unknown(&message.subject);
        };
        let last = match self.stream_of(&message.subject).await {
            Ok(Some(stream)) => self.session.last(&stream, &message.subject).await,
            Ok(None) => Err(missing("stream", &message.subject)),
            Err(error) => Err(error),
        };
        match last {
            Ok(last) if last.as_ref().map_or(0, |stored| stored.sequence) != expected => Error::Conflict {
                subject: message.subject.clone(),
                expected,
            },
            Ok(_) => self.session.unknown(&message.subject),
            Err(error) => error,
        }
    }
}

fn refused(error: ApiError, message: Message) -> Error {
    let subject = message.subject;
    match (error.refusal(), message.expected_last) {
        (Refusal::Conflict, Some(expected)) => Error::Conflict { subject, expected },
        (Refusal::Full, _) => Error::Full {
            subject,
            limit: error.description,
        },
        (Refusal::TooLarge, _) => Error::TooLarge {
            subject,
            size: message.payload.len(),
            limit: crate::MAX_MESSAGE_BYTES,
        },
        (Refusal::MissingStream, _) => missing("stream", &subject),
        _ => error.refused(format!("publish on `{subject}`")),
    }
}
