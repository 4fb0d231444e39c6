//! One reader of all logs for all who follow one in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidemill_bus::{Bus, Error, Reader, Stored};
use tidemill_messages::{AttemptKey, stream, subject};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Texts a follower may be behind before it reads from the stream again.
const BEHIND: usize = 64;
/// How long the reader stays without followers.
const LINGER: Duration = Duration::from_secs(30);
/// Every log.
const ALL: &str = "log.>";

/// Hands texts as they are stored to those who follow. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub {
    bus: Bus,
    shutdown: CancellationToken,
    shared: Arc<Mutex<Shared>>,
    starting: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Shared {
    /// By the subject of the attempt.
    topics: HashMap<String, broadcast::Sender<Arc<Stored>>>,
    /// The last sequence that was handed out; `None` while nothing is read.
    position: Option<u64>,
}

/// One who follows an attempt.
pub(super) struct Follower {
    pub(super) texts: broadcast::Receiver<Arc<Stored>>,
    /// Everything from this sequence on comes as text.
    pub(super) from: u64,
}

impl Hub {
    pub(crate) fn new(bus: Bus, shutdown: CancellationToken) -> Self {
        Self {
            bus,
            shutdown,
            shared: Arc::default(),
            starting: Arc::default(),
        }
    }

    /// Begins to follow all containers of an attempt.
    pub(super) async fn follow(&self, key: &AttemptKey) -> Result<Follower, Error> {
        let topic = topic_of(&subject::logs_of_attempt(key)).to_owned();
        let _starting = self.starting.lock().await;
        let texts = {
            let mut shared = self.lock();
            let sender = shared
                .topics
                .entry(topic)
                .or_insert_with(|| broadcast::channel(BEHIND).0);
            let texts = sender.subscribe();
            if let Some(position) = shared.position {
                return Ok(Follower {
                    texts,
                    from: position + 1,
                });
            }
            texts
        };
        let from = self.bus.last_sequence(stream::LOGS).await? + 1;
        let reader = self.bus.reader(stream::LOGS, ALL, from, false).await?;
        self.lock().position = Some(from - 1);
        tokio::spawn(self.clone().run(reader));
        Ok(Follower { texts, from })
    }

    /// Reads until nobody has followed for a while.
    async fn run(self, mut reader: Reader) {
        let mut look = Instant::now() + LINGER;
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                stored = reader.next() => match stored {
                    Ok(stored) => self.hand_out(stored),
                    Err(error) => {
                        tracing::warn!(%error, "Logs cannot be followed; followers begin anew.");
                        *self.lock() = Shared::default();
                        return;
                    }
                },
                () = sleep_until(look) => {
                    look = Instant::now() + LINGER;
                    let mut shared = self.lock();
                    shared.topics.retain(|_, sender| sender.receiver_count() > 0);
                    if shared.topics.is_empty() {
                        shared.position = None;
                        return;
                    }
                }
            }
        }
    }

    fn hand_out(&self, stored: Stored) {
        let mut shared = self.lock();
        shared.position = Some(stored.sequence);
        let topic = topic_of(&stored.subject).to_owned();
        if let Some(sender) = shared.topics.get(&topic)
            && sender.send(Arc::new(stored)).is_err()
        {
            // The last follower has gone.
            shared.topics.remove(&topic);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The subject of a log without its container.
fn topic_of(log: &str) -> &str {
    log.rsplit_once('.').map_or(log, |(topic, _)| topic)
}
