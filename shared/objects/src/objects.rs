//! The handle, and reading one object.

use std::sync::Arc;

use tidemill_bus::Bus;
use tidemill_resources::Object;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::index::Known;
use crate::inner::{Inner, Phase, Slot};
use crate::{Error, Key, Options, feed, keeper};

/// The objects of the store: cheap to clone, one for all services of a process.
///
/// Its tasks end when the last clone is dropped.
#[derive(Clone)]
pub struct Objects {
    pub(crate) inner: Arc<Inner>,
    /// `None` in the handles of the tasks, which must not keep themselves alive.
    _life: Option<Arc<DropGuard>>,
}

impl Objects {
    /// Starts reading the stream `objects`, which must exist (`tidemill_bus::layout` makes it). Does
    /// not wait for the index: see [`Objects::ready`].
    ///
    /// # Errors
    /// [`Error::BadRequest`] for options that cannot work.
    pub async fn start(bus: Bus, options: Options) -> Result<Self, Error> {
        if options.write_attempts == 0 || options.concurrent_reads == 0 || options.ring_changes == 0 {
            return Err(Error::bad_request(
                "write-attempts, concurrent-reads and ring-changes must be at least 1",
            ));
        }
        let inner = Arc::new(Inner::new(bus, options));
        let shutdown = CancellationToken::new();
        tokio::spawn(feed::run(inner.clone(), shutdown.clone()));
        if inner.options.maintain {
            let objects = Self {
                inner: inner.clone(),
                _life: None,
            };
            tokio::spawn(keeper::run(objects, shutdown.clone()));
        }
        Ok(Self {
            inner,
            _life: Some(Arc::new(shutdown.drop_guard())),
        })
    }

    /// Waits until the index has caught up with the leader's last sequence.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is not the one expected.
    pub async fn ready(&self) -> Result<(), Error> {
        let mut phase = self.inner.phase.subscribe();
        let settled = phase.wait_for(|phase| !matches!(phase, Phase::CatchingUp(_))).await;
        match settled.as_deref() {
            Ok(Phase::WrongStore(why)) => Err(Error::unavailable(why.clone())),
            Ok(_) => Ok(()),
            Err(_) => Err(Error::unavailable("the objects were closed")),
        }
    }

    /// Whether the index is complete now; `Err` says why not.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub fn check_ready(&self) -> Result<(), Error> {
        self.inner.check_ready()
    }

    /// The id of the store, once it is known.
    pub fn store_id(&self) -> Option<&str> {
        self.inner.store_id.get().map(String::as_str)
    }

    /// The object, read from the leader; `None` when there is none (or only a tombstone).
    ///
    /// # Errors
    /// [`Error::Unavailable`] until the index has caught up, and when the store does not answer.
    pub async fn get(&self, key: &Key) -> Result<Option<Object>, Error> {
        self.inner.check_ready()?;
        match self.inner.slot(key).await? {
            Slot::Live { object, .. } => Ok(Some(*object)),
            Slot::Empty | Slot::Tombstone { .. } => Ok(None),
        }
    }

    /// The object as this process saw it last, where it saw one: it may be a moment behind.
    ///
    /// # Errors
    /// As [`Objects::get`].
    pub async fn seen(&self, key: &Key) -> Result<Option<Object>, Error> {
        self.inner.check_ready()?;
        match self.inner.likely_slot(key).await? {
            Slot::Live { object, .. } => Ok(Some(*object)),
            Slot::Empty | Slot::Tombstone { .. } => Ok(None),
        }
    }

    /// Waits until the index of this process holds all that the leader had at the call; gives that
    /// version.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn catch_up(&self) -> Result<u64, Error> {
        self.inner.reach_leader().await
    }

    /// The object as the index of this process has it, as new as the last [`Objects::catch_up`] or
    /// newer; one that it has not is asked of the leader.
    ///
    /// # Errors
    /// As [`Objects::get`].
    pub async fn indexed(&self, key: &Key) -> Result<Option<Object>, Error> {
        self.inner.check_ready()?;
        match self.inner.likely_slot(key).await? {
            Slot::Live { object, .. } => Ok(Some(*object)),
            Slot::Empty | Slot::Tombstone { .. } => self.get(key).await,
        }
    }

    /// What the index knows about an object, without asking the store: it may be a moment behind.
    pub fn known(&self, key: &Key) -> Option<Known> {
        self.inner.index().get(key)
    }

    /// The names of the objects of a resource in a namespace, in order, as the index has them.
    pub fn names_of(&self, group: &str, resource: &str, namespace: &str) -> Vec<String> {
        self.inner.index().names(group, resource, namespace)
    }

    /// The version of the last change of a resource, as the index has it; 0 when none was seen.
    pub fn last_change(&self, group: &str, resource: &str) -> u64 {
        self.inner.index().last_change(group, resource)
    }

    /// How many objects there are, as the index has them.
    pub fn count(&self) -> usize {
        self.inner.index().len()
    }

    /// The version the index has reached.
    pub fn version(&self) -> u64 {
        self.inner.index().applied()
    }

    /// Waits until the index of this process has reached `version` (P8).
    ///
    /// # Errors
    /// [`Error::Timeout`] after the limit `index-wait`.
    pub async fn reached(&self, version: u64) -> Result<(), Error> {
        self.inner.reached(version).await
    }
}
