//! Redeliveries and refused requests, for people to see.
//!
//! They start nothing, so losing one harms nobody: they are written beside the answers, and only so
//! many. Who sends nonsense all day must not fill the store with it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::header;
use axum::http::request::Parts;
use tidemill_bus::Message;
use tidemill_messages::event::{CLASSES, Class, SUMMARY, Summary};
use tidemill_messages::notice::{Notice, What};
use tidemill_messages::{encode, envelope, subject};
use tidemill_telemetry::Chain;
use tidemill_telemetry::metrics::catalogue::EVENTS_REPEATED;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::app::App;
use crate::rate::Rate;
use crate::reply::Refusal;
use crate::store::ascii;
use crate::{Error, address, intake};

/// Notices that wait to be written; further ones are only counted.
const WAITING: usize = 64;
/// Notices of one kind that may be written at once.
const AT_ONCE: f64 = 100.0;
/// Notices of one kind a second in the long run: 14 days of them stay below 100 MiB.
const PER_SECOND: f64 = 0.1;
/// How long writing one may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Where notices are handed in.
pub(crate) struct Notices {
    redelivered: Gate,
    refused: Gate,
    waiting: mpsc::Sender<Notice>,
    /// Taken by whoever writes them.
    written: Mutex<Option<mpsc::Receiver<Notice>>>,
}

/// Lets so many through and counts the others.
struct Gate {
    rate: Rate,
    unstored: AtomicU64,
}

impl Notices {
    pub(crate) fn new() -> Self {
        let (waiting, written) = mpsc::channel(WAITING);
        Self {
            redelivered: Gate::new(),
            refused: Gate::new(),
            waiting,
            written: Mutex::new(Some(written)),
        }
    }

    /// Hands one in; never waits.
    fn hand_in(&self, gate: &Gate, summary: Summary, what: What) {
        if gate.rate.take().is_err() {
            gate.unstored.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let unstored = gate.unstored.swap(0, Ordering::Relaxed);
        let notice = Notice {
            version: envelope::VERSION,
            at: summary.received_at,
            summary,
            what,
            unstored,
        };
        if self.waiting.try_send(notice).is_err() {
            gate.unstored.fetch_add(unstored + 1, Ordering::Relaxed);
        }
    }
}

impl Gate {
    fn new() -> Self {
        Self {
            rate: Rate::with_burst(AT_ONCE, PER_SECOND),
            unstored: AtomicU64::new(0),
        }
    }
}

/// Says that an event came again.
pub(crate) fn redelivered(app: &App, summary: Summary) {
    EVENTS_REPEATED.plain().increment();
    let notices = &app.notices;
    notices.hand_in(&notices.redelivered, summary, What::Redelivered);
}

/// Says that a request was not taken in. What names no namespace is nobody's.
pub(crate) fn refused(app: &App, parts: &Parts, refusal: &Refusal) {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(address) = address::of(host.unwrap_or_default(), parts.uri.path()) else {
        return;
    };
    let (from, event) = tidemill_triggers::forge(&intake::headers(&parts.headers));
    let summary = Summary {
        namespace: address.namespace,
        listener: address.listener,
        received_at: app.bus.now(),
        from,
        event,
        sender: sender(parts),
        ..Summary::default()
    };
    let what = What::Refused {
        code: refusal.code(),
        message: refusal.message().to_owned(),
    };
    app.notices.hand_in(&app.notices.refused, summary, what);
}

/// The address a request came from; empty when unknown.
pub(crate) fn sender(parts: &Parts) -> String {
    let peer = parts.extensions.get::<ConnectInfo<std::net::SocketAddr>>();
    peer.map(|peer| peer.0.ip().to_string()).unwrap_or_default()
}

/// Writes notices until ingest stops.
pub(crate) async fn run(app: &App) -> Result<(), Error> {
    let taken = app
        .notices
        .written
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some(mut waiting) = taken else { return Ok(()) };
    loop {
        let notice = tokio::select! {
            () = app.stopping.cancelled() => return Ok(()),
            notice = waiting.recv() => notice,
        };
        let Some(notice) = notice else { return Ok(()) };
        match timeout(LIMIT, write(app, &notice)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = %Chain(&error), "A notice could not be stored."),
            Err(_) => tracing::warn!("A notice could not be stored in time."),
        }
    }
}

async fn write(app: &App, notice: &Notice) -> Result<(), Error> {
    let subject = subject::notice(&notice.summary.namespace, &notice.summary.listener);
    let payload = encode(&subject, notice)?;
    let class = match notice.what {
        What::Redelivered => Class::Redelivered,
        What::Refused { .. } => Class::Refused,
    };
    let shown = encode(&subject, &notice.summary)?;
    let message = Message::new(subject, payload)
        .header(SUMMARY, ascii(&String::from_utf8_lossy(&shown)))
        .header(CLASSES, class.as_str());
    app.bus.publish(message).await?;
    Ok(())
}
