//! An attempt whose supervisor runs.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Pod;
use tidemill_messages::plan::Plan;
use tidemill_messages::report::{Answer, Report};
use tidemill_messages::sandbox::{Order, Word};
use tidemill_messages::{AttemptKey, CancelReason};
use tidemill_telemetry::Chain;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::containers::{Containers, END_LIMIT, LOOK};
use super::engine::Condition;
use super::images::Image;
use super::starting::Starting;
use crate::backend::ending::Ending;
use crate::backend::link::{Ear, Link, Mouth};
use crate::backend::{Error, Event, Playing};

/// How long a killed attempt may take, beyond its grace, before the engine ends it.
const KILL_LIMIT: Duration = Duration::from_secs(15);

/// What is the same for an attempt that was prepared and one that was adopted.
pub(super) struct Known {
    pub(super) key: AttemptKey,
    pub(super) pod: Arc<Pod>,
    pub(super) plan: Plan,
    /// By the image's name.
    pub(super) images: HashMap<String, Image>,
    pub(super) kill_grace: Duration,
    /// How long it waits for an engine that does not answer.
    pub(super) silence_limit: Duration,
}

/// One attempt.
pub(super) struct Played {
    key: AttemptKey,
    containers: Containers,
    kill_grace: Duration,
    mouth: Arc<Mutex<Mouth>>,
    watch: Option<AbortOnDropHandle<()>>,
    _listener: AbortOnDropHandle<()>,
}

impl Played {
    /// Listens to a supervisor; what it says becomes `events`.
    pub(super) fn new(link: Link, containers: Containers, known: Known, events: mpsc::Sender<Event>) -> Self {
        let (ear, mouth) = link.into_parts();
        let mouth = Arc::new(Mutex::new(mouth));
        let (key, kill_grace) = (known.key.clone(), known.kill_grace);
        let listener = Listener {
            ear,
            containers: containers.clone(),
            known,
            mouth: Arc::clone(&mouth),
            events,
            given_up: Arc::default(),
        };
        Self {
            key,
            containers,
            kill_grace,
            mouth,
            watch: None,
            _listener: AbortOnDropHandle::new(tokio::spawn(listener.run())),
        }
    }

    /// Says something to a supervisor that may be gone, which the listener learns.
    async fn tell(&mut self, answer: Answer) {
        if let Err(error) = self.mouth.lock().await.send(&Order::Answer(answer)).await {
            tracing::debug!(attempt = %self.key, %error, "The supervisor does not listen.");
        }
    }
}

#[async_trait]
impl Playing for Played {
    async fn start(&mut self) -> Result<(), Error> {
        self.containers.directory().mark_started().await?;
        self.mouth.lock().await.send(&Order::Answer(Answer::Start)).await
    }

    async fn stored(&mut self, sequence: u64) {
        self.tell(Answer::Stored { sequence }).await;
    }

    async fn kill(&mut self, reason: CancelReason) {
        self.tell(Answer::Kill { reason }).await;
        let (containers, key) = (self.containers.clone(), self.key.clone());
        let limit = self.kill_grace + KILL_LIMIT;
        // A supervisor that does not answer, in a container that is paused or out of memory, is ended from
        // outside: its end is then seen as that of the attempt.
        self.watch = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            sleep(limit).await;
            tracing::warn!(attempt = %key, "A killed attempt does not end; the engine ends it.");
            if let Err(error) = containers.end().await {
                tracing::warn!(attempt = %key, error = %Chain(&error), "The engine does not end it.");
            }
        })));
    }

    async fn remove(self: Box<Self>) -> Result<(), Error> {
        self.containers.remove().await
    }

    async fn release(self: Box<Self>) {
        drop(self);
    }
}

/// Turns words into events.
struct Listener {
    ear: Ear,
    containers: Containers,
    known: Known,
    mouth: Arc<Mutex<Mouth>>,
    events: mpsc::Sender<Event>,
    /// Why the attempt was ended here: its engine was silent for too long, or could not start a container.
    given_up: Arc<OnceLock<String>>,
}

impl Listener {
    /// Until the attempt is over, its containers gone, or nobody wants to know.
    async fn run(mut self) {
        loop {
            let event = match self.ear.receive().await {
                Ok(Some(Word::Report(report))) if report.attempt == self.known.key => self.event(*report).await,
                Ok(Some(Word::Wanted { container })) => {
                    self.start(container);
                    continue;
                }
                Ok(Some(_)) => continue,
                Ok(None) | Err(_) => break,
            };
            let over = matches!(event, Event::Finished(_) | Event::Gone { .. });
            if self.events.send(event).await.is_err() || over {
                return;
            }
        }
        self.gone().await;
    }

    /// Starts a container beside what goes on.
    fn start(&self, container: String) {
        let starting = Starting {
            containers: self.containers.clone(),
            mouth: Arc::clone(&self.mouth),
            events: self.events.clone(),
            given_up: Arc::clone(&self.given_up),
            silence_limit: self.known.silence_limit,
        };
        drop(tokio::spawn(starting.run(container)));
    }

    async fn event(&self, report: Report) -> Event {
        let mut ending = match Ending::of(report) {
            Ok(ending) => ending,
            Err(report) => return Event::Report(*report),
        };
        if let Some(message) = self.given_up.get() {
            return Event::Gone {
                step_started: true,
                message: message.clone(),
            };
        }
        for report in &mut ending.containers {
            // Where the container's first process was ended too, it could not tell.
            if report.end.exit_code == 137 && !report.end.out_of_memory {
                report.end.out_of_memory = self.containers.is_out_of_memory(&report.container).await;
            }
        }
        let outcome = ending.outcome(&self.known.pod, self.known.plan.clone(), |container| {
            self.image_id(container)
        });
        Event::Finished(Box::new(outcome))
    }

    fn image_id(&self, container: &str) -> String {
        let spec = self.known.pod.spec.as_ref();
        let mut containers = spec.into_iter().flat_map(|spec| &spec.containers);
        let found = containers.find(|other| other.name == container);
        let name = found.and_then(|found| super::images::name_of(found).ok());
        let image = name.and_then(|name| self.known.images.get(&name));
        image.map_or_else(String::new, |image| image.id.clone())
    }

    /// The socket has closed. If the supervisor is alive it has another owner by now, and what becomes of
    /// the attempt is not for this one to say: the events end without an end. Where the engine does not answer
    /// either, a socket at which nobody listens tells that it is dead, and with it all its containers.
    async fn gone(self) {
        let closed_at = Instant::now();
        let why = loop {
            match self.containers.supervisor().await {
                Ok(Condition::Ended(state)) if state.oom_killed == Some(true) => {
                    break "OOMKilled: its container was ended for want of memory".to_owned();
                }
                Ok(Condition::Ended(state)) => {
                    let code = state.exit_code.unwrap_or_default();
                    break format!("its container ended with exit code {code}");
                }
                Ok(Condition::Missing) => break "its container was removed".to_owned(),
                Ok(Condition::Created) => break "its container was never started".to_owned(),
                Ok(Condition::Running) if closed_at.elapsed() >= END_LIMIT => {
                    return tracing::info!(attempt = %self.known.key, "The attempt has another owner.");
                }
                Ok(Condition::Running) => {}
                Err(error) if Link::is_deserted(&self.containers.directory().socket()).await => {
                    return self
                        .say_gone(format!("the engine does not answer ({})", Chain(&error)))
                        .await;
                }
                Err(_) => {
                    return tracing::info!(attempt = %self.known.key, "The attempt has another owner.");
                }
            }
            if self.events.is_closed() {
                return;
            }
            sleep(LOOK).await;
        };
        if let Err(error) = self.containers.end().await {
            tracing::warn!(attempt = %self.known.key, error = %Chain(&error), "Containers of a lost attempt go on.");
        }
        self.say_gone(why).await;
    }

    async fn say_gone(&self, why: String) {
        let event = Event::Gone {
            step_started: self.containers.directory().has_started(),
            message: format!("its supervisor is gone: {why}"),
        };
        drop(self.events.send(event).await);
    }
}
