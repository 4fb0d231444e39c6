//! The runner's end of the line to steps in pods: they report by request, each to whoever owns its
//! attempt, over an account of their own.
//!
//! Reports are believed by number and attempt and nothing else. Whoever sends nonsense, or too much, is
//! not answered.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tidemill_bus::steps::Issuer;
use tidemill_bus::{Bus, Message, Stored, Subscription};
use tidemill_messages::assignment::{Line, Reply};
use tidemill_messages::report::Answer;
use tidemill_messages::{AttemptKey, encode, stream, subject};

use crate::backend::Error;

mod parts;

pub(crate) use parts::{Heard, Parts};

/// How steps reach this installation's nats-server.
#[derive(Clone)]
pub struct StepLine {
    bus: Bus,
    issuer: Arc<Issuer>,
    address: SocketAddr,
}

impl StepLine {
    /// Over `bus`, with credentials of `issuer`; `address` is where pods find nats-server.
    pub fn new(bus: Bus, issuer: Issuer, address: SocketAddr) -> Self {
        Self {
            bus,
            issuer: Arc::new(issuer),
            address,
        }
    }

    /// Lets steps in as long as their attempt is not over, until the bus is closed.
    ///
    /// # Errors
    /// As [`Bus::keep_door`].
    pub async fn keep_door(&self) -> Result<(), tidemill_bus::Error> {
        let runs = |attempt: AttemptKey| async move {
            let finished = subject::attempt_fact(&attempt, "finished");
            // When that cannot be told the step asks again.
            matches!(self.bus.last(stream::FACTS, &finished).await, Ok(None))
        };
        self.bus.keep_door(&self.issuer, runs).await
    }

    /// The way for the steps of `attempt`.
    pub(crate) fn way(&self, attempt: &AttemptKey) -> Line {
        Line::Nats {
            address: self.address.to_string(),
            token: self.issuer.token(attempt),
        }
    }

    /// Hears the steps of `attempt` from here on.
    pub(crate) async fn listen(&self, attempt: &AttemptKey) -> Result<Subscription, Error> {
        let listening = self.bus.subscribe(&subject::step_report(attempt), None).await;
        listening.map_err(|source| Error::Place {
            action: format!("listen to the steps of {attempt}"),
            source: Box::new(source),
        })
    }

    /// Answers a request. One that is lost is asked for again.
    pub(crate) async fn answer(&self, attempt: &AttemptKey, request: &Stored, answer: Answer) {
        if let Some(reply) = &request.reply {
            self.reply(attempt, reply, answer).await;
        }
    }

    /// Answers on a reply subject that was kept.
    pub(crate) async fn reply(&self, attempt: &AttemptKey, reply: &str, answer: Answer) {
        if let Err(error) = self.bus.answer(reply.to_owned(), said(attempt, answer)).await {
            tracing::debug!(%attempt, %error, "A step could not be answered; it asks again.");
        }
    }

    /// Tells the steps of an attempt something they did not ask for.
    pub(crate) async fn tell(&self, attempt: &AttemptKey, answer: Answer) {
        let message = Message::new(subject::step_tell(attempt), said(attempt, answer));
        if let Err(error) = self.bus.notify(message).await {
            tracing::debug!(%attempt, %error, "The steps could not be told.");
        }
    }
}

fn said(attempt: &AttemptKey, answer: Answer) -> Bytes {
    let reply = Reply {
        attempt: attempt.clone(),
        answer,
    };
    // Texts and numbers: they always are JSON.
    encode("answer", &reply).map(Bytes::from).unwrap_or_default()
}
