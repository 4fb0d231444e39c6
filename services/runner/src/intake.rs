//! Tasks on their way in: pulled as long as there is room, the most urgent first.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use tidemill_bus::{Bus, Consumer, ConsumerSpec, Delivery};
use tidemill_messages::{StartTask, decode, stream, subject};
use tidemill_telemetry::Chain;
use tidemill_telemetry::metrics::catalogue::REDELIVERIES;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use crate::attempt::{Task, payload};

/// Tasks pulled beyond the free slots, so that the most urgent of them can go first. Only a runner
/// that is alone in its class does so: it keeps tasks from nobody.
pub(crate) const LOOKAHEAD: usize = 64;
/// Before a consumer that failed is made again.
const RETRY: Duration = Duration::from_secs(1);
/// A task that cannot be read is tried again so much later, perhaps by a later version.
const UNREADABLE_RETRY: Duration = Duration::from_secs(30);

/// Tasks that came together.
pub(crate) struct Batch {
    pub(crate) tasks: Vec<Task>,
    /// Dropped once the core knows what room they leave: only then more are pulled.
    pub(crate) settled: oneshot::Sender<()>,
}

/// Tasks that wait for a slot: highest priority first, then oldest.
#[derive(Default)]
pub(crate) struct Waiting(BinaryHeap<Entry>);

struct Entry(Task);

impl Entry {
    fn rank(&self) -> (u8, Reverse<u64>) {
        (self.0.priority, Reverse(self.0.sequence()))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl Waiting {
    pub(crate) fn push(&mut self, task: Task) {
        // A task that came twice waits once.
        if !self.0.iter().any(|entry| entry.0.key == task.key) {
            self.0.push(Entry(task));
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Task> {
        self.0.pop().map(|entry| entry.0)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells the server that they are not forgotten.
    pub(crate) async fn keep(&self) {
        for delivery in self.0.iter().filter_map(|entry| entry.0.delivery.as_ref()) {
            delivery.in_progress().await;
        }
    }

    /// Gives all back at once.
    pub(crate) async fn give_back(&mut self) {
        for entry in self.0.drain() {
            entry.0.retry_after(Duration::ZERO).await;
        }
    }
}

/// Pulls the tasks of one class.
pub(crate) struct Puller {
    pub(crate) bus: Bus,
    pub(crate) class: String,
    pub(crate) ack_wait: Duration,
    pub(crate) capacity: u64,
    /// What is wrong with the place of the class: then nothing is pulled.
    pub(crate) trouble: Option<watch::Receiver<Option<String>>>,
    /// How many tasks there is room for.
    pub(crate) room: watch::Receiver<usize>,
    pub(crate) batches: mpsc::Sender<Batch>,
}

impl Puller {
    /// The consumer that all runners of a class share.
    pub(crate) async fn consumer(&self) -> Result<Consumer, tidemill_bus::Error> {
        let spec = ConsumerSpec {
            stream: stream::RUNS.to_owned(),
            name: self.name(),
            filters: vec![subject::tasks_of_class(&self.class)],
            ack_wait: self.ack_wait,
            max_ack_pending: self.capacity,
            pinned: None,
            from_start: true,
        };
        self.bus.consumer(&spec).await
    }

    /// Makes everything unacknowledged come again at once.
    pub(crate) async fn restart(&self) -> Result<(), tidemill_bus::Error> {
        self.bus.reset_consumer(stream::RUNS, &self.name()).await
    }

    fn name(&self) -> String {
        format!("runner-{}", subject::token(&self.class))
    }

    /// Pulls until the core is gone.
    pub(crate) async fn run(mut self, mut consumer: Consumer) {
        loop {
            if let Some(trouble) = &mut self.trouble {
                // A place that nobody watches any more is on its way out.
                drop(trouble.wait_for(Option::is_none).await);
            }
            let Ok(room) = self.room.wait_for(|room| *room > 0).await.map(|room| *room) else {
                return;
            };
            let batch = tokio::select! {
                batch = consumer.next_batch(room) => batch,
                () = self.batches.closed() => return,
            };
            match batch {
                Ok(deliveries) => {
                    if !self.hand_on(deliveries).await {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(class = self.class, error = %Chain(&error), "Tasks cannot be pulled.");
                    sleep(RETRY).await;
                    if let Ok(again) = self.consumer().await {
                        consumer = again;
                    }
                }
            }
        }
    }

    /// `false`: the core is gone.
    async fn hand_on(&self, deliveries: Vec<Delivery>) -> bool {
        let mut tasks = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            if delivery.delivered > 1 {
                REDELIVERIES.of(&["tasks"]).increment();
            }
            match self.read(&delivery).await {
                Some(command) => tasks.push(Task {
                    key: command.key(),
                    class: self.class.clone(),
                    priority: priority(&delivery.message.subject),
                    command: Arc::new(command),
                    delivery: Some(delivery),
                }),
                None => delivery.retry_after(UNREADABLE_RETRY).await,
            }
        }
        let (settled, is_settled) = oneshot::channel();
        let is_sent = self.batches.send(Batch { tasks, settled }).await.is_ok();
        // Nothing is ever sent: the other end is dropped.
        drop(is_settled.await);
        is_sent
    }

    async fn read(&self, delivery: &Delivery) -> Option<StartTask> {
        let message = &delivery.message;
        let payload = payload(&self.bus, message).await.ok().flatten()?;
        decode(&message.subject, &payload)
            .inspect_err(|error| tracing::warn!(error = %Chain(error), "A task cannot be read."))
            .ok()
    }
}

/// `run.<p>.<run>.task.<class>.<priority>.<task>.<attempt>`; what cannot be read is least urgent.
pub(crate) fn priority(subject: &str) -> u8 {
    subject
        .split('.')
        .nth(5)
        .and_then(|token| token.parse().ok())
        .unwrap_or(0)
}
