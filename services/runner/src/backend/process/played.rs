//! An attempt whose supervisor runs.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use tidemill_messages::plan::Plan;
use tidemill_messages::report::{Answer, ContainerReport, Failure, Report, ReportBody, WrittenResult};
use tidemill_messages::sandbox::{Order, Word};
use tidemill_messages::{AttemptKey, AttemptOutcome, CancelReason};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::directory::{self, Directory};
use super::link::{Ear, Link, Mouth};
use crate::backend::{Error, Event, Play, Playing};
use crate::outcome::{End, Progress};

/// One attempt.
pub(super) struct Played {
    key: AttemptKey,
    directory: Directory,
    mouth: Mouth,
    listener: JoinHandle<()>,
}

impl Played {
    /// Listens to a supervisor; what it says becomes `events`.
    pub(super) fn new(
        link: Link,
        directory: Directory,
        play: &Play,
        plan: Plan,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, Error> {
        let (ear, mouth, process) = link.into_parts()?;
        let listener = Listener {
            ear,
            process,
            directory: directory.clone(),
            key: play.key.clone(),
            pod: Arc::clone(&play.pod),
            plan,
            events,
        };
        tracing::debug!(attempt = %play.key, "Images are set aside: the process backend runs the host's programs.");
        Ok(Self {
            key: play.key.clone(),
            directory,
            mouth,
            listener: tokio::spawn(listener.run()),
        })
    }

    /// Says something to a supervisor that may be gone, which the listener learns.
    async fn tell(&mut self, answer: Answer) {
        if let Err(error) = self.mouth.send(&Order::Answer(answer)).await {
            tracing::debug!(attempt = %self.key, %error, "The supervisor does not listen.");
        }
    }
}

#[async_trait]
impl Playing for Played {
    async fn start(&mut self) -> Result<(), Error> {
        self.mouth.send(&Order::Answer(Answer::Start)).await
    }

    async fn stored(&mut self, sequence: u64) {
        self.tell(Answer::Stored { sequence }).await;
    }

    async fn kill(&mut self, reason: CancelReason) {
        self.tell(Answer::Kill { reason }).await;
    }

    async fn remove(self: Box<Self>) -> Result<(), Error> {
        self.listener.abort();
        self.directory.remove().await
    }

    async fn release(self: Box<Self>) {
        self.listener.abort();
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Turns words into events.
struct Listener {
    ear: Ear,
    process: OwnedFd,
    directory: Directory,
    key: AttemptKey,
    pod: Arc<Pod>,
    plan: Plan,
    events: mpsc::Sender<Event>,
}

impl Listener {
    /// Until the attempt is over, the supervisor gone, or nobody wants to know.
    async fn run(mut self) {
        loop {
            let event = match self.ear.receive().await {
                Ok(Some(Word::Report(report))) if report.attempt == self.key => self.event(*report),
                Ok(Some(_)) => continue,
                Ok(None) | Err(_) => break,
            };
            let over = matches!(event, Event::Finished(_));
            if self.events.send(event).await.is_err() || over {
                return;
            }
        }
        self.gone().await;
    }

    fn event(&self, report: Report) -> Event {
        let at = report.at;
        match report.body {
            ReportBody::Finished {
                containers,
                results,
                failure,
                killed,
            } => Event::Finished(Box::new(self.outcome(
                at,
                &containers,
                &results,
                failure.as_ref(),
                killed,
            ))),
            _ => Event::Report(report),
        }
    }

    /// The last report alone tells everything, so that an owner who heard nothing before knows it too.
    fn outcome(
        &self,
        at: Timestamp,
        containers: &[ContainerReport],
        results: &[WrittenResult],
        failure: Option<&Failure>,
        cancelled: Option<CancelReason>,
    ) -> AttemptOutcome {
        let mut progress = Progress::new(&self.pod, self.plan.clone());
        for ContainerReport { container, end, at } in containers {
            if let Some(started_at) = end.started_at {
                progress.started(started_at);
                let container = container.clone();
                progress.take(started_at, &ReportBody::ContainerStarted { container });
            }
            let (container, end) = (container.clone(), end.clone());
            progress.take(*at, &ReportBody::ContainerFinished { container, end });
        }
        let end = End {
            cancelled,
            failure,
            results,
        };
        progress.outcome(at, end)
    }

    async fn gone(self) {
        // A supervisor that closes without ending would be one of another version: it is not waited for.
        let ended = directory::end(self.process).await;
        let event = Event::Gone {
            step_started: self.directory.has_started(),
            message: match ended {
                Ok(()) => format!("its supervisor is gone: {}", self.directory.last_words().await),
                Err(error) => format!("its supervisor does not answer: {error}"),
            },
        };
        drop(self.events.send(event).await);
    }
}
