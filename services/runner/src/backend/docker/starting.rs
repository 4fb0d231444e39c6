//! The start of a container that a supervisor wants.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tidemill_messages::CancelReason;
use tidemill_messages::report::Answer;
use tidemill_messages::sandbox::Order;
use tidemill_telemetry::Chain;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep};

use super::containers::Containers;
use crate::backend::link::Mouth;
use crate::backend::{Error, Event};

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// How often an engine that answers may fail to start a container for a reason that is not the task's.
const FAULTS_MAX: u32 = 3;

/// Goes on beside what the supervisor says meanwhile.
pub(super) struct Starting {
    pub(super) containers: Containers,
    pub(super) mouth: Arc<Mutex<Mouth>>,
    /// Closed once nobody wants to know.
    pub(super) events: mpsc::Sender<Event>,
    /// Why the attempt was given up, once it was.
    pub(super) given_up: Arc<OnceLock<String>>,
    /// How long an engine may be silent.
    pub(super) silence_limit: Duration,
}

impl Starting {
    /// Starts it. What the task asks for and cannot have is told to the supervisor; what is the engine's fault ends
    /// the attempt as one that this place lost.
    pub(super) async fn run(self, container: String) {
        if let Some(order) = self.refusal(container).await {
            drop(self.mouth.lock().await.send(&order).await);
        }
    }

    /// What to tell the supervisor of a container that does not start.
    async fn refusal(&self, container: String) -> Option<Order> {
        let until = Instant::now() + self.silence_limit;
        let mut faults = 0;
        loop {
            let error = self.containers.start(&container).await.err()?;
            if let Error::Task { message, .. } = error {
                return Some(Order::Answer(Answer::Unplayable { container, message }));
            }
            match self.containers.why_silent().await {
                Some(why) if Instant::now() >= until => return Some(self.give_up(self.silent(&why))),
                Some(_) => {}
                None if faults == FAULTS_MAX => return Some(self.give_up(Chain(&error).to_string())),
                None => faults += 1,
            }
            if self.events.is_closed() {
                return None;
            }
            sleep(PAUSE).await;
        }
    }

    fn silent(&self, why: &str) -> String {
        format!(
            "the engine has not answered for {} s (setting docker.silence-limit-s): {why}",
            self.silence_limit.as_secs()
        )
    }

    fn give_up(&self, why: String) -> Order {
        drop(self.given_up.set(why));
        let reason = CancelReason::Cancelled;
        Order::Answer(Answer::Kill { reason })
    }
}
