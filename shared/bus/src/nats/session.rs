//! One connection: its state, requests over it, its end.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, HeaderMap, Message, Request, RequestErrorKind};
use bytes::Bytes;
use futures::FutureExt as _;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::options::{client_options, reconnect_pause};
use super::outcome::Failure;
use crate::{Connect, Error};

/// Payload bytes (plus [`MESSAGE_OVERHEAD_BYTES`] each) of publishes that wait for their answer.
pub(super) const MAX_UNDER_WAY_BYTES: usize = 64 * 1024 * 1024;
/// What a publish under way counts beside its payload; so at most 16,384 are under way.
pub(super) const MESSAGE_OVERHEAD_BYTES: usize = 4 * 1024;
/// How long [`Session::close`] waits for answers that somebody still waits for.
const MAX_FAREWELL: Duration = Duration::from_millis(500);

pub(super) struct Session {
    pub(super) client: Client,
    pub(super) address: String,
    pub(super) timeout: Duration,
    pub(super) replicas: usize,
    pub(super) under_way: Arc<Semaphore>,
    pub(super) connected: watch::Sender<bool>,
    /// How often the connection was lost; what was under way then has no answer.
    pub(super) losses: watch::Sender<u64>,
    closed: watch::Sender<bool>,
    /// Consumers whose pin we hold.
    pins: Mutex<BTreeSet<(String, String)>>,
}

impl Session {
    pub(super) async fn open(options: Connect) -> Result<Self, Error> {
        let servers = options.servers()?;
        let address = options.address();
        let connected = watch::Sender::new(true);
        let losses = watch::Sender::new(0);
        let give_up = Instant::now() + options.first_connection_timeout;
        let mut attempt = 1;
        let client = loop {
            let asked = client_options(&options, &connected, &losses)?;
            let error = match asked.connect(servers.clone()).await {
                Ok(client) => break client,
                Err(error) => error,
            };
            let refused = matches!(
                error.kind(),
                ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication | ConnectErrorKind::Tls
            );
            if refused || Instant::now() >= give_up {
                return Err(Error::Disconnected {
                    address,
                    source: Some(Box::new(error)),
                });
            }
            if attempt == 1 {
                let tried_s = options.first_connection_timeout.as_secs();
                tracing::warn!(address, %error, tried_s, "NATS does not answer yet; it is tried again and again.");
            }
            attempt += 1;
            tokio::time::sleep(reconnect_pause(attempt)).await;
        };
        Ok(Self {
            client,
            address,
            timeout: options.request_timeout,
            replicas: options.replicas.max(1),
            under_way: Arc::new(Semaphore::new(MAX_UNDER_WAY_BYTES)),
            connected,
            losses,
            closed: watch::Sender::new(false),
            pins: Mutex::default(),
        })
    }

    /// Whether the connection is up; an error once it is closed for good.
    pub(super) fn up(&self) -> Result<bool, Error> {
        if *self.closed.borrow() {
            return Err(self.disconnected());
        }
        Ok(*self.connected.borrow())
    }

    /// Waits until the connection is up, however long that takes.
    pub(super) async fn reach(&self) -> Result<(), Error> {
        while !self.up()? {
            let (mut connected, mut closed) = (self.connected.subscribe(), self.closed.subscribe());
            if self.up()? {
                break;
            }
            tokio::select! {
                _ = connected.changed() => {}
                _ = closed.changed() => {}
            }
        }
        Ok(())
    }

    /// Waits until the connection is up, at most until `deadline`.
    pub(super) async fn reach_by(&self, deadline: Instant) -> Result<(), Error> {
        if self.up()? {
            return Ok(());
        }
        let reached = tokio::time::timeout_at(deadline, self.reach()).await;
        reached.unwrap_or_else(|_| Err(self.disconnected()))
    }

    /// One request and its answer. The request is on its way after the first poll.
    pub(super) async fn request(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Result<Message, Failure> {
        let mut losses = self.losses.subscribe();
        let request = Request {
            payload: Some(payload),
            headers,
            timeout: Some(Some(self.timeout)),
            inbox: None,
        };
        tokio::select! {
            biased;
            answer = self.client.send_request(subject, request) => answer.map_err(|error| match error.kind() {
                RequestErrorKind::NoResponders => Failure::Nobody,
                RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => Failure::Unsendable,
                RequestErrorKind::TimedOut | RequestErrorKind::Other => Failure::Lost,
            }),
            _ = losses.changed() => Err(Failure::Lost),
        }
    }

    /// Sends without an answer and without waiting; what does not fit is dropped.
    pub(super) fn send_now(&self, subject: String, payload: Bytes) {
        let reply = self.client.new_inbox();
        // Best effort by contract: whoever relies on it hears of the loss by a timeout elsewhere.
        drop(self.client.publish_with_reply(subject, reply, payload).now_or_never());
    }

    pub(super) fn disconnected(&self) -> Error {
        Error::Disconnected {
            address: self.address.clone(),
            source: None,
        }
    }

    pub(super) fn unknown(&self, what: &str) -> Error {
        Error::Unknown {
            subject: what.to_owned(),
            waited_ms: u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Notes that we hold (or no longer hold) the pin of a consumer.
    pub(super) fn note_pin(&self, stream: &str, consumer: &str, held: bool) -> bool {
        let pin = (stream.to_owned(), consumer.to_owned());
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        if held { pins.insert(pin) } else { pins.remove(&pin) }
    }

    /// Lets go of all pins, waits until the server has read everything sent, and disconnects.
    pub(super) async fn close(&self, grace: Duration) {
        if self.closed.send_replace(true) {
            return;
        }
        let pins = std::mem::take(&mut *self.pins.lock().unwrap_or_else(PoisonError::into_inner));
        for (stream, consumer) in pins {
            self.unpin(&stream, &consumer);
        }
        let farewell = async {
            // An answer proves that the server has read all that was sent before.
            let request = self.client.request("$JS.API.INFO", Bytes::new());
            let heard = tokio::time::timeout(grace, request)
                .await
                .is_ok_and(|answer| answer.is_ok());
            let all = u32::try_from(MAX_UNDER_WAY_BYTES).unwrap_or(u32::MAX);
            // What is left after this belongs to nobody who waits, or is unknown.
            drop(tokio::time::timeout(MAX_FAREWELL, self.under_way.acquire_many(all)).await);
            heard
        };
        if !tokio::time::timeout(grace, farewell).await.unwrap_or(false) {
            tracing::warn!(
                address = self.address,
                "The server did not confirm the end of the connection."
            );
        }
        self.losses.send_modify(|losses| *losses += 1);
        self.connected.send_replace(false);
        if let Err(error) = self.client.drain().await {
            tracing::debug!(%error, "The connection was already gone.");
        }
    }

    pub(super) fn unpin(&self, stream: &str, consumer: &str) {
        let payload = Bytes::from_static(super::specs::UNPIN_REQUEST.as_bytes());
        self.send_now(format!("$JS.API.CONSUMER.UNPIN.{stream}.{consumer}"), payload);
    }
}
