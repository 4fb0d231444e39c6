//! Children that a service projects: TaskRuns of a PipelineRun, for example.

use tidemill_resources::Object;
use uuid::Uuid;

use crate::admit::admit;
use crate::inner::Slot;
use crate::rules::{self, Part};
use crate::update::kind_of;
use crate::write::Plan;
use crate::{Error, Key, Objects};

impl Objects {
    /// Creates the child with the UID it brings, or gives the one that exists its status; a status
    /// that says that it is over is not replaced by one that says it is not. What users made of its
    /// labels, annotations and spec stays.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the child was deleted, which is not undone; [`Error::AlreadyExists`]
    /// when another object has its name; as [`Objects::create`] else.
    pub async fn put_projection(&self, child: &Object) -> Result<Object, Error> {
        let key = Key::of(child)?;
        let kind = kind_of(&key)?;
        let wanted = child.metadata.uid.clone().unwrap_or_default();
        let uid: Uuid = wanted
            .parse()
            .map_err(|_| key.invalid("metadata.uid", format!("Invalid value: {wanted:?}: must be a UUID")))?;
        let now = self.inner.now();
        let decide = |slot: &Slot| match slot {
            Slot::Tombstone { uid, .. } if *uid == wanted => Err(key.not_found()),
            Slot::Empty | Slot::Tombstone { .. } => {
                // With the defaults that admission fills in, so that no later patch of a user changes the spec.
                let admitted = admit(child.to_value(), None, false);
                let full = admitted.map_or_else(|_| child.clone(), |admitted| admitted.object);
                let new = rules::projected(full, kind, now.clone(), uid);
                Ok(Plan::Put(Box::new(new)))
            }
            Slot::Live { object, .. } if object.metadata.uid.as_ref() != Some(&wanted) => Err(key.already_exists()),
            Slot::Live { object, .. } => {
                let mut new = Object::clone(object);
                // Somebody who knows less comes late: what is over stays over.
                if is_done(object) && !is_done(child) {
                    return Ok(Plan::Keep);
                }
                if let Some(status) = child.rest.get("status") {
                    new.rest.insert("status".to_owned(), status.clone());
                }
                let new = rules::updated(&key, kind, object, new, Part::Status)?;
                Ok(if new == **object {
                    Plan::Keep
                } else {
                    Plan::Put(Box::new(new))
                })
            }
        };
        Ok(self.inner.transact(&key, false, decide).await?.object)
    }
}

/// Whether the status says that it is over, well or badly.
pub fn is_done(object: &Object) -> bool {
    let condition = object
        .rest
        .get("status")
        .and_then(|status| status.pointer("/conditions/0/status"));
    condition.is_some_and(|status| status == "True" || status == "False")
}
