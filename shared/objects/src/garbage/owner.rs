//! Owners and their dependents.

use uuid::Uuid;

use super::Collector;
use crate::head::OwnerHead;
use crate::{Error, Key, Propagation};

impl Collector<'_> {
    /// Deletes an object whose owners are all gone; takes the references to those that are.
    pub(super) async fn check_owners(&self, key: &Key) -> Result<(), Error> {
        let (known, owners) = {
            let index = self.0.inner.index();
            (index.get(key), index.owners(key))
        };
        let Some(known) = known.filter(|known| !known.deleting) else {
            return Ok(());
        };
        let mut gone = Vec::new();
        for owner in &owners {
            if self.is_gone(key, owner).await? {
                gone.push(owner.uid.to_string());
            }
        }
        let uid = known.uid.to_string();
        if gone.is_empty() {
            Ok(())
        } else if gone.len() == owners.len() {
            tracing::debug!(resource = %key.group_resource(), name = key.name, "Deleting what has no owner any more.");
            self.remove(key, &uid, Propagation::Background).await
        } else {
            self.disown(key, &uid, &gone).await
        }
    }

    /// Takes the references of all dependents to `owner`, a UID.
    pub(super) async fn orphan(&self, key: &Key, owner: &str) -> Result<bool, Error> {
        let Ok(uid) = owner.parse::<Uuid>() else {
            return Ok(true);
        };
        let dependents = self.0.inner.index().dependents(key, uid);
        for link in dependents {
            let known = self.0.inner.index().get(&link.key);
            if let Some(known) = known {
                self.disown(&link.key, &known.uid.to_string(), &[owner.to_owned()])
                    .await?;
            }
        }
        Ok(true)
    }

    /// Deletes the dependents of `owner`, a UID; true when none is left for which it has to wait.
    pub(super) async fn delete_dependents(&self, key: &Key, owner: &str) -> Result<bool, Error> {
        let Ok(uid) = owner.parse::<Uuid>() else {
            return Ok(true);
        };
        let dependents = self.0.inner.index().dependents(key, uid);
        for link in dependents.iter().filter(|link| !link.deleting) {
            let (known, has_dependents) = {
                let index = self.0.inner.index();
                let known = index.get(&link.key);
                (
                    known,
                    known.is_some_and(|known| index.has_dependents(&link.key, known.uid)),
                )
            };
            let propagation = if has_dependents {
                Propagation::Foreground
            } else {
                Propagation::Background
            };
            if let Some(known) = known {
                self.remove(&link.key, &known.uid.to_string(), propagation).await?;
            }
        }
        let left = self.0.inner.index().dependents(key, uid);
        Ok(!left.iter().any(|link| link.blocks))
    }

    /// Whether an owner does not exist. What the index has is there; what it has not is asked of
    /// the leader.
    async fn is_gone(&self, dependent: &Key, owner: &OwnerHead) -> Result<bool, Error> {
        let Some(key) = self.owner_key(dependent, owner) else {
            return Ok(false);
        };
        let known = self.0.inner.index().get(&key);
        if known.is_some_and(|known| known.uid == owner.uid) {
            return Ok(false);
        }
        let found = self.0.get(&key).await?;
        let wanted = owner.uid.to_string();
        Ok(found.is_none_or(|found| found.metadata.uid.as_ref() != Some(&wanted)))
    }

    async fn disown(&self, key: &Key, uid: &str, owners: &[String]) -> Result<(), Error> {
        let without = |object: &mut tidemill_resources::Object| {
            if let Some(references) = &mut object.metadata.owner_references {
                references.retain(|reference| !owners.contains(&reference.uid));
            }
            if object.metadata.owner_references.as_ref().is_some_and(Vec::is_empty) {
                object.metadata.owner_references = None;
            }
        };
        match self.0.modify(key, uid, without).await {
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
