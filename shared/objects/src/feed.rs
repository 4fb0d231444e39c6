//! The task that feeds the index from the stream.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tidemill_bus::{Message, Stored, blob};
use tidemill_messages::stream::OBJECTS;
use tidemill_messages::subject;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::head::Head;
use crate::index::Index;
use crate::inner::{ALL, Inner, Phase};
use crate::{Error, Key};

/// How long to wait before a failed start is tried again.
const AGAIN: Duration = Duration::from_millis(250);
/// How often the reader looks whether it was away for too long.
const PULSE: Duration = Duration::from_secs(5);

/// Why reading ended.
enum End {
    /// The index may miss deletions (O5), or the reader failed: start afresh.
    Afresh(&'static str),
    Shutdown,
}

/// Feeds the index until `shutdown`; never gives up.
pub(crate) async fn run(inner: Arc<Inner>, shutdown: CancellationToken) {
    let mut feed = Feed { inner, shutdown };
    while !feed.shutdown.is_cancelled() {
        match feed.turn().await {
            Ok(End::Shutdown) => return,
            Ok(End::Afresh(why)) => feed.inner.phase.send_modify(|phase| *phase = Phase::CatchingUp(why)),
            Err(error) => feed.fail(&error).await,
        }
    }
}

struct Feed {
    inner: Arc<Inner>,
    shutdown: CancellationToken,
}

impl Feed {
    async fn turn(&mut self) -> Result<End, Error> {
        let shutdown = self.shutdown.clone();
        tokio::select! {
            () = shutdown.cancelled() => Ok(End::Shutdown),
            end = self.fill_and_follow() => end,
        }
    }

    async fn fill_and_follow(&mut self) -> Result<End, Error> {
        self.check_store().await?;
        let index = self.fill().await?;
        let applied = index.applied();
        tracing::info!(
            objects = index.len(),
            version = applied,
            "The index of the objects is complete."
        );
        *self.inner.index_mut() = index;
        self.inner.applied.send_replace(applied);
        self.inner.phase.send_replace(Phase::Ready);
        self.follow(applied).await
    }

    async fn fail(&self, error: &Error) {
        tracing::warn!(%error, "The index of the objects cannot be fed; it is tried again.");
        self.inner.phase.send_if_modified(|phase| {
            let waits = *phase == Phase::Ready;
            if waits {
                *phase = Phase::CatchingUp("the store does not answer");
            }
            waits
        });
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = sleep(AGAIN) => {}
        }
    }

    /// Builds an index from the headers of all there is.
    async fn fill(&self) -> Result<Index, Error> {
        let bus = &self.inner.bus;
        // What is found is no change: a ring of it would only be forgotten.
        let mut index = Index::new(0);
        let last = bus.last_sequence(OBJECTS).await?;
        let mut reader = bus.reader(OBJECTS, ALL, 0, true).await?;
        loop {
            // Asked after `last`: every message up to `last` that still exists comes no later.
            let newest = bus.last(OBJECTS, ALL).await?.map_or(0, |stored| stored.sequence);
            while index.applied() < newest {
                tokio::select! {
                    stored = reader.next() => apply(&mut index, &stored?),
                    // The newest may have been removed meanwhile: ask again.
                    () = sleep(AGAIN) => break,
                }
            }
            if index.applied() >= newest {
                index.raise(last);
                index.start_ring(self.inner.options.ring_changes);
                return Ok(index);
            }
        }
    }

    /// Applies what comes, with bodies, until the reader was away for too long.
    async fn follow(&self, from: u64) -> Result<End, Error> {
        let bus = &self.inner.bus;
        let mut reader = bus.reader(OBJECTS, ALL, from + 1, false).await?;
        let mut connected = bus.connected();
        let mut contact = self.now();
        let mut pulse = Instant::now() + PULSE;
        loop {
            tokio::select! {
                stored = reader.next() => self.take_in(&stored?),
                changed = connected.changed() => {
                    if changed.is_err() {
                        return Ok(End::Afresh("the connection was closed"));
                    }
                    if *connected.borrow_and_update() {
                        self.check_store().await?;
                    }
                }
                () = sleep_until(pulse) => pulse = Instant::now() + PULSE,
            }
            if !*connected.borrow() {
                continue;
            }
            let away = self.now().duration_since(contact);
            if away > SignedDuration::try_from(self.inner.options.tombstone_age).unwrap_or(SignedDuration::MAX) {
                return Ok(End::Afresh("the reader was away for longer than deletions are kept"));
            }
            contact = self.now();
        }
    }

    fn take_in(&self, stored: &Stored) {
        if stored.header(blob::NAMED).is_none() {
            self.inner.bodies().insert(stored.sequence, stored.payload.clone());
        }
        let applied = {
            let mut index = self.inner.index_mut();
            apply(&mut index, stored);
            index.applied()
        };
        self.inner.applied.send_replace(applied);
    }

    fn now(&self) -> Timestamp {
        self.inner.bus.now()
    }

    /// Checks that the store is the one it was, and should be; marks a new one.
    async fn check_store(&self) -> Result<(), Error> {
        let expected = self.inner.store_id.get().or(self.inner.options.store_id.as_ref());
        let found = match store_id(&self.inner).await? {
            None if expected.is_none() => Some(mark_store(&self.inner).await?),
            found => found,
        };
        match (expected, found) {
            (Some(expected), found) if found.as_ref() != Some(expected) => {
                let why = format!(
                    "the store is another one: expected {expected}, found {}",
                    found.as_deref().unwrap_or("an empty one")
                );
                self.inner.phase.send_replace(Phase::WrongStore(why.clone()));
                Err(Error::unavailable(why))
            }
            (_, Some(found)) => {
                self.inner.store_id.get_or_init(|| found);
                Ok(())
            }
            (_, None) => Err(Error::unavailable("the store has no id")),
        }
    }
}

/// Takes one stored message into the index; what is no object of ours only moves it on.
fn apply(index: &mut Index, stored: &Stored) {
    let head = Head::read(stored);
    match (subject::parse_object(&stored.subject), head) {
        (Ok((group, resource, namespace, name)), Some(head)) => {
            let key = Key {
                group,
                resource,
                namespace,
                name,
            };
            index.apply(&key, &stored.subject, stored.sequence, head);
        }
        _ => {
            if stored.subject != store_subject() {
                tracing::warn!(
                    sequence = stored.sequence,
                    "A message among the objects is none; it is left alone."
                );
            }
            index.raise(stored.sequence);
        }
    }
}

/// Where the store keeps its id.
fn store_subject() -> String {
    subject::object("tidemill.dev", "stores", "", "store")
}

async fn store_id(inner: &Inner) -> Result<Option<String>, Error> {
    let stored = inner.bus.last(OBJECTS, &store_subject()).await?;
    Ok(stored.map(|stored| String::from_utf8_lossy(&stored.payload).into_owned()))
}

/// Gives a new store its id; of several at once one wins.
async fn mark_store(inner: &Inner) -> Result<String, Error> {
    let message = Message::new(store_subject(), Uuid::new_v4().to_string()).expecting(0);
    match inner.bus.publish(message).await {
        Ok(_) => {}
        Err(error) if error.is_conflict() => {}
        Err(error) => return Err(error.into()),
    }
    store_id(inner)
        .await?
        .ok_or_else(|| Error::unavailable("the store has no id"))
}
