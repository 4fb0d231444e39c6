//! What all handles and tasks of one process share.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use bytes::Bytes;
use jiff::{RoundMode, TimestampRound, Unit};
use tidemill_bus::{Bus, Stored, blob};
use tidemill_messages::stream::OBJECTS;
use tidemill_resources::Object;
use tidemill_resources::meta::Time;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::bodies::Bodies;
use crate::head::is_tombstone;
use crate::index::Index;
use crate::{Error, Key, Options};

/// Every object's subject.
pub(crate) const ALL: &str = "object.>";

/// How long the index may stand still before it is asked whether anything is missing.
const STALL: Duration = Duration::from_millis(50);

/// Whether the objects can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The index is not complete yet, and why.
    CatchingUp(&'static str),
    /// It is.
    Ready,
    /// The store is not the one it was, or should be.
    WrongStore(String),
}

pub(crate) struct Inner {
    pub(crate) bus: Bus,
    pub(crate) options: Options,
    pub(crate) store_id: OnceLock<String>,
    pub(crate) phase: watch::Sender<Phase>,
    /// The sequence the index has reached.
    pub(crate) applied: watch::Sender<u64>,
    index: RwLock<Index>,
    bodies: Mutex<Bodies>,
}

/// What lies under an object's subject.
#[derive(Debug)]
pub(crate) enum Slot {
    /// Nothing; expects sequence 0.
    Empty,
    /// The tombstone of a deleted object.
    Tombstone { sequence: u64, uid: String },
    /// An object; its resourceVersion is its sequence.
    Live { object: Box<Object>, sequence: u64 },
}

impl Slot {
    /// The sequence a write over it must expect.
    pub(crate) fn expected(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Tombstone { sequence, .. } | Self::Live { sequence, .. } => *sequence,
        }
    }

    pub(crate) fn live(&self) -> Option<&Object> {
        match self {
            Self::Live { object, .. } => Some(object),
            Self::Empty | Self::Tombstone { .. } => None,
        }
    }
}

impl Inner {
    pub(crate) fn new(bus: Bus, options: Options) -> Self {
        Self {
            bus,
            store_id: OnceLock::new(),
            phase: watch::Sender::new(Phase::CatchingUp("the index is being built")),
            applied: watch::Sender::new(0),
            index: RwLock::new(Index::new(options.ring_changes)),
            bodies: Mutex::new(Bodies::new(options.body_cache_bytes)),
            options,
        }
    }

    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        // A panic while it was held cannot leave it torn: each change is applied or not.
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bodies(&self) -> MutexGuard<'_, Bodies> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time for an object's metadata: in whole seconds, as Kubernetes writes it.
    pub(crate) fn now(&self) -> Time {
        let now = self.bus.now();
        Time(
            now.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc))
                .unwrap_or(now),
        )
    }

    /// # Errors
    /// [`Error::Unavailable`] while the index is not complete (O4: never "not found").
    pub(crate) fn check_ready(&self) -> Result<(), Error> {
        match &*self.phase.borrow() {
            Phase::Ready => Ok(()),
            Phase::CatchingUp(why) => Err(Error::unavailable(*why)),
            Phase::WrongStore(why) => Err(Error::unavailable(why.clone())),
        }
    }

    /// Waits until the index has `sequence`.
    pub(crate) async fn reached(&self, sequence: u64) -> Result<(), Error> {
        let mut applied = self.applied.subscribe();
        let wait = applied.wait_for(|&applied| applied >= sequence);
        match timeout_at(Instant::now() + self.options.index_wait, wait).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Error::Timeout {
                message: format!("stored as version {sequence}, but the index has not reached it"),
            }),
        }
    }

    /// Waits until the index holds all that the leader had at the call; gives that version.
    pub(crate) async fn reach_leader(&self) -> Result<u64, Error> {
        self.check_ready()?;
        let target = self.bus.last_sequence(OBJECTS).await?;
        let deadline = Instant::now() + self.options.index_wait;
        let mut applied = self.applied.subscribe();
        loop {
            let stalled = (Instant::now() + STALL).min(deadline);
            if let Ok(Ok(now)) = timeout_at(stalled, applied.wait_for(|&now| now >= target)).await {
                return Ok(*now);
            }
            if Instant::now() >= deadline {
                return Err(Error::unavailable("the index is behind the store"));
            }
            self.pass_gap(target).await?;
        }
    }

    /// The last messages of the stream may be swept tombstones that nobody will deliver: when the
    /// newest message there is has been seen, nothing up to `target` is missing.
    async fn pass_gap(&self, target: u64) -> Result<(), Error> {
        let newest = self.bus.last(OBJECTS, ALL).await?.map_or(0, |stored| stored.sequence);
        let mut index = self.index_mut();
        if newest <= index.applied() {
            index.raise(target);
            let applied = index.applied();
            drop(index);
            self.applied.send_replace(applied);
        }
        Ok(())
    }

    /// What lies under the key now, by a read from the leader.
    pub(crate) async fn slot(&self, key: &Key) -> Result<Slot, Error> {
        let Some(stored) = self.bus.last(OBJECTS, &key.subject()).await? else {
            return Ok(Slot::Empty);
        };
        let body = self.payload(&stored).await?;
        slot_of(&stored, &body, key)
    }

    /// What most likely lies there, without asking if that can be helped: compare-and-set finds out.
    pub(crate) async fn likely_slot(&self, key: &Key) -> Result<Slot, Error> {
        let Some(known) = self.index().get(key) else {
            return Ok(Slot::Empty);
        };
        let cached = self.bodies().get(known.sequence);
        match cached {
            Some(body) => Ok(Slot::Live {
                object: Box::new(decode(&body, known.sequence, key)?),
                sequence: known.sequence,
            }),
            None => self.slot(key).await,
        }
    }

    /// The body stored with `sequence`, an object's last one for a tombstone; `None` when it has
    /// been overwritten since.
    pub(crate) async fn body(&self, key: &Key, sequence: u64) -> Result<Option<Object>, Error> {
        let cached = self.bodies().get(sequence);
        let body = match cached {
            Some(body) => body,
            None => match self.bus.get(OBJECTS, sequence).await? {
                Some(stored) => self.payload(&stored).await?,
                None => return Ok(None),
            },
        };
        decode(&body, sequence, key).map(Some)
    }

    /// The same for whoever passes by many of them: what is in the cache is not displaced by what is read once, else a
    /// list that is larger than the cache would find nothing in it ever.
    pub(crate) async fn passing_body(&self, sequence: u64) -> Result<Option<Bytes>, Error> {
        let cached = self.bodies().peek(sequence);
        if cached.is_some() {
            return Ok(cached);
        }
        match self.bus.get(OBJECTS, sequence).await? {
            Some(stored) => Ok(Some(blob::payload(&self.bus, &stored).await?)),
            None => Ok(None),
        }
    }

    /// The body of a message, from its blob where it has one.
    async fn payload(&self, stored: &Stored) -> Result<Bytes, Error> {
        let body = blob::payload(&self.bus, stored).await?;
        self.bodies().insert(stored.sequence, body.clone());
        Ok(body)
    }
}

fn slot_of(stored: &Stored, body: &[u8], key: &Key) -> Result<Slot, Error> {
    let sequence = stored.sequence;
    let object = Box::new(decode(body, sequence, key)?);
    Ok(if is_tombstone(stored) {
        Slot::Tombstone {
            sequence,
            uid: object.metadata.uid.unwrap_or_default(),
        }
    } else {
        Slot::Live { object, sequence }
    })
}

/// Reads a body; its resourceVersion is its sequence.
pub(crate) fn decode(body: &[u8], sequence: u64, key: &Key) -> Result<Object, Error> {
    let mut object: Object = serde_json::from_slice(body).map_err(|source| Error::Internal {
        message: format!("{} {:?} cannot be read from the store", key.group_resource(), key.name),
        source: Some(source.into()),
    })?;
    object.metadata.resource_version = Some(sequence.to_string());
    Ok(object)
}
