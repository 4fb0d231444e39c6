//! The collector of garbage: dependents of what was deleted, and deletions that wait for them.
//!
//! It acts on the index but deletes nothing by the index alone: that an owner is gone is read from
//! the leader. Whatever fails is found again by a full pass.

mod namespace;
mod owner;

use std::time::Duration;

use tidemill_resources::Kind;
use tokio::time::sleep;

use crate::head::OwnerHead;
use crate::index::Past;
use crate::rules::{FOREGROUND_FINALIZER, NAMESPACE_FINALIZER, ORPHAN_FINALIZER};
use crate::{DeleteOptions, Error, Key, Objects, Propagation};

/// How long to wait before a full pass that makes up for a failure.
const AGAIN: Duration = Duration::from_secs(2);
/// Objects looked at at once: so long the index is locked, and so many of their keys are held.
const PAGE: usize = 512;

/// Collects for ever.
pub(crate) async fn run(objects: &Objects) {
    loop {
        if let Err(error) = Collector(objects).turn().await {
            tracing::warn!(%error, "Garbage was not collected; it is tried again.");
        }
        sleep(AGAIN).await;
    }
}

struct Collector<'a>(&'a Objects);

impl Collector<'_> {
    /// A full pass, then every change; ends when a change failed or was missed.
    async fn turn(&self) -> Result<(), Error> {
        self.0.ready().await?;
        // Whatever changes during the pass is a change after this.
        let mut cursor = self.0.inner.index().applied();
        self.examine_all().await?;
        let mut applied = self.0.inner.applied.subscribe();
        loop {
            if applied.wait_for(|&applied| applied > cursor).await.is_err() {
                return Err(Error::unavailable("the objects were closed"));
            }
            let past = self.0.inner.index().past(cursor);
            let Some((past, reached)) = past else {
                return Ok(());
            };
            for change in past {
                self.follow(&change).await?;
            }
            cursor = reached;
        }
    }

    /// Looks at every object that may be garbage.
    async fn examine_all(&self) -> Result<(), Error> {
        let mut after = None;
        loop {
            let part = self.0.inner.index().suspects(after.as_ref(), PAGE);
            for key in &part.keys {
                self.examine(key).await?;
            }
            after = part.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Does what follows from one change.
    async fn follow(&self, past: &Past) -> Result<(), Error> {
        if let Some(uid) = past.deleted {
            let dependents = self.0.inner.index().dependents(&past.key, uid);
            for link in dependents {
                self.check_owners(&link.key).await?;
            }
            for owner in &past.owners {
                self.examine_owner(&past.key, owner).await?;
            }
            self.empty_namespace(&past.key.namespace).await?;
        }
        self.examine(&past.key).await
    }

    /// Looks at one object: does a deletion wait, are its owners there?
    async fn examine(&self, key: &Key) -> Result<(), Error> {
        let (known, owned) = {
            let index = self.0.inner.index();
            (index.get(key), !index.owners(key).is_empty())
        };
        let Some(known) = known else { return Ok(()) };
        if known.deleting {
            self.advance(key).await?;
        } else if self.in_dying_namespace(key) {
            self.remove(key, &known.uid.to_string(), Propagation::Background)
                .await?;
        }
        if owned {
            self.check_owners(key).await?;
        }
        Ok(())
    }

    /// An owner that waits for its dependents may have waited for this one.
    async fn examine_owner(&self, dependent: &Key, owner: &OwnerHead) -> Result<(), Error> {
        let Some(key) = self.owner_key(dependent, owner) else {
            return Ok(());
        };
        let known = self.0.inner.index().get(&key);
        match known {
            Some(known) if known.deleting && known.uid == owner.uid => self.advance(&key).await,
            _ => Ok(()),
        }
    }

    /// Does what a deletion waits for, as far as it is this collector's.
    async fn advance(&self, key: &Key) -> Result<(), Error> {
        let Some(object) = self.0.get(key).await? else {
            return Ok(());
        };
        let uid = object.metadata.uid.unwrap_or_default();
        for finalizer in object.metadata.finalizers.iter().flatten() {
            let done = match finalizer.as_str() {
                ORPHAN_FINALIZER => self.orphan(key, &uid).await?,
                FOREGROUND_FINALIZER => self.delete_dependents(key, &uid).await?,
                NAMESPACE_FINALIZER if key.resource == "namespaces" => self.delete_content(&key.name).await?,
                _ => false,
            };
            if done {
                self.0.remove_finalizer(key, &uid, finalizer).await?;
            }
        }
        Ok(())
    }

    /// Deletes the object with this UID; gone already is as good.
    async fn remove(&self, key: &Key, uid: &str, propagation: Propagation) -> Result<(), Error> {
        let options = DeleteOptions {
            uid: Some(uid.to_owned()),
            propagation: Some(propagation),
            ..DeleteOptions::default()
        };
        match self.0.delete(key, &options).await {
            Ok(_) | Err(Error::NotFound { .. } | Error::Conflict { .. } | Error::Forbidden { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The key of an owner; `None` when its kind is not kept here, so nothing is known about it.
    fn owner_key(&self, dependent: &Key, owner: &OwnerHead) -> Option<Key> {
        let kind = Kind::by_resource(&owner.group, &owner.resource)?;
        let here = self.0.inner.options.own_namespaces || !kind.group.is_empty();
        here.then(|| Key::new(kind, &dependent.namespace, &owner.name))
    }
}
