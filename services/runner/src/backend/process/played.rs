//! An attempt whose supervisor runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Pod;
use tidemill_messages::plan::Plan;
use tidemill_messages::report::{Answer, Report};
use tidemill_messages::sandbox::{Order, Word};
use tidemill_messages::{AttemptKey, CancelReason};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::IMAGE_ID;
use super::directory::Directory;
use super::start::{Free, Supervisor, Supervisors};
use crate::backend::ending::Ending;
use crate::backend::link::{Ear, Link, Mouth};
use crate::backend::{Error, Event, Play, Playing};

/// Longest wait for a supervisor to forget an attempt before it is ended instead.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

/// One attempt.
pub(super) struct Played {
    key: AttemptKey,
    directory: Directory,
    supervisor: Supervisor,
    pool: Arc<Supervisors>,
    /// Goes first: what it hears once the other half has closed means nothing.
    listener: AbortOnDropHandle<Option<Ear>>,
    mouth: Mouth,
    /// Its first step was let go, by whomever.
    is_started: Arc<AtomicBool>,
}

impl Played {
    /// Listens to a supervisor; what it says becomes `events`. Once the attempt is over the supervisor
    /// goes back to `pool`. `is_started`: somebody let it go before.
    pub(super) fn new(
        (link, supervisor): (Link, Supervisor),
        pool: Arc<Supervisors>,
        directory: Directory,
        play: &Play,
        plan: Plan,
        events: mpsc::Sender<Event>,
        is_started: bool,
    ) -> Self {
        let (ear, mouth) = link.into_parts();
        let is_started = Arc::new(AtomicBool::new(is_started));
        let listener = Listener {
            ear,
            directory: directory.clone(),
            key: play.key.clone(),
            pod: Arc::clone(&play.pod),
            plan,
            events,
            is_started: Arc::clone(&is_started),
        };
        Self {
            is_started,
            key: play.key.clone(),
            directory,
            supervisor,
            pool,
            mouth,
            listener: AbortOnDropHandle::new(tokio::spawn(listener.run())),
        }
    }

    /// Says something to a supervisor that may be gone, which the listener learns.
    async fn tell(&mut self, answer: Answer) {
        if let Err(error) = self.mouth.send(&Order::Answer(answer)).await {
            tracing::debug!(attempt = %self.key, %error, "The supervisor does not listen.");
        }
    }

    /// The supervisor, free for another attempt, and the socket it made for that: if this one is over, all of it was heard,
    /// and one more may wait.
    async fn free(mut self) -> Option<(Free, Option<String>)> {
        if !self.pool.has_room() || !self.listener.is_finished() {
            return None;
        }
        let ear = (&mut self.listener).await.ok()??;
        self.mouth.send(&Order::Answer(Answer::Leave)).await.ok()?;
        let mut link = Link::of(ear, self.mouth)?;
        match tokio::time::timeout(LEAVE_LIMIT, link.receive()).await {
            Ok(Ok(Some(Word::Free { socket, .. }))) => {
                let (stream, reader) = link.into_std()?;
                let free = Free {
                    stream,
                    reader,
                    supervisor: self.supervisor,
                    spare: None,
                };
                Some((free, socket))
            }
            _ => None,
        }
    }
}

#[async_trait]
impl Playing for Played {
    async fn start(&mut self) -> Result<(), Error> {
        self.is_started.store(true, Ordering::Relaxed);
        self.mouth.send(&Order::Answer(Answer::Start)).await
    }

    async fn stored(&mut self, sequence: u64) {
        self.tell(Answer::Stored { sequence }).await;
    }

    async fn kill(&mut self, reason: CancelReason) {
        self.tell(Answer::Kill { reason }).await;
    }

    async fn remove(self: Box<Self>) -> Result<(), Error> {
        let (directory, pool) = (self.directory.clone(), Arc::clone(&self.pool));
        let supervisor = self.supervisor.identity.clone();
        let Some((mut free, socket)) = self.free().await else {
            return directory.remove_of(&supervisor).await;
        };
        // Only with the directory gone nothing tells any more that the supervisor belongs to it.
        match directory.empty(socket).await {
            Ok(spare) => {
                free.spare = spare;
                pool.give_back(free);
                Ok(())
            }
            Err(_) => directory.remove_of(&supervisor).await,
        }
    }

    async fn release(self: Box<Self>) {
        drop(self);
    }
}

/// Turns words into events.
struct Listener {
    ear: Ear,
    directory: Directory,
    key: AttemptKey,
    pod: Arc<Pod>,
    plan: Plan,
    events: mpsc::Sender<Event>,
    is_started: Arc<AtomicBool>,
}

impl Listener {
    /// Until the attempt is over, the supervisor gone, or nobody wants to know. Where the attempt is over
    /// the supervisor can still be heard.
    async fn run(mut self) -> Option<Ear> {
        loop {
            let event = match self.ear.receive().await {
                Ok(Some(Word::Report(report))) if report.attempt == self.key => self.event(*report),
                Ok(Some(_)) => continue,
                Ok(None) | Err(_) => break,
            };
            let over = matches!(event, Event::Finished(_));
            if self.events.send(event).await.is_err() {
                return None;
            }
            if over {
                return Some(self.ear);
            }
        }
        self.gone().await;
        None
    }

    fn event(&self, report: Report) -> Event {
        match Ending::of(report) {
            Ok(ending) => {
                let image = |_: &str| IMAGE_ID.to_owned();
                Event::Finished(Box::new(ending.outcome(&self.pod, self.plan.clone(), image)))
            }
            Err(report) => Event::Report(*report),
        }
    }

    /// The socket has closed. If the supervisor is alive it has another owner by now, and what becomes of
    /// the attempt is not for this one to say: the events end without an end.
    async fn gone(self) {
        match self.directory.supervisor_ends().await {
            Ok(true) => {}
            Ok(false) => return tracing::info!(attempt = %self.key, "The attempt has another owner."),
            Err(error) => return tracing::warn!(attempt = %self.key, %error, "Cannot watch a supervisor."),
        }
        let event = Event::Gone {
            step_started: self.is_started.load(Ordering::Relaxed) && self.directory.has_started(),
            message: format!("its supervisor is gone: {}", self.directory.last_words().await),
        };
        drop(self.events.send(event).await);
    }
}
