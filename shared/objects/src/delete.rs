//! Deleting objects.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use tidemill_resources::names::DEFAULT_NAMESPACE;
use tidemill_resources::{Kind, Object};

use crate::inner::Slot;
use crate::rules::{self, FOREGROUND_FINALIZER, NAMESPACE_FINALIZER, ORPHAN_FINALIZER};
use crate::update::kind_of;
use crate::write::Plan;
use crate::{Error, Key, ListQuery, Objects, Scope};

/// Deletions under way at once when a whole scope is deleted.
const CONCURRENT: usize = 16;

/// What becomes of an object's dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They go after it.
    Background,
    /// They go before it.
    Foreground,
    /// They stay and lose their reference to it.
    Orphan,
}

/// Conditions and manner of a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Only the object with this UID.
    pub uid: Option<String>,
    /// Only this version of it.
    pub resource_version: Option<String>,
    /// What becomes of its dependents; `None`: background, or what an earlier deletion said.
    pub propagation: Option<Propagation>,
    /// Check everything, store nothing.
    pub dry_run: bool,
}

/// What became of a deletion.
#[derive(Clone, Debug, PartialEq)]
pub struct Deleted {
    /// The object as it is now, or was at last.
    pub object: Object,
    /// It is gone; else its finalizers are waited for.
    pub removed: bool,
}

impl Objects {
    /// Deletes an object, or marks it as being deleted when finalizers have to be waited for.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] for conditions that do not hold,
    /// [`Error::Forbidden`] for the default namespace.
    pub async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Deleted, Error> {
        let kind = kind_of(key)?;
        let own_namespace = self.inner.options.own_namespaces && (kind.group, kind.kind) == ("", "Namespace");
        if own_namespace && key.name == DEFAULT_NAMESPACE {
            return Err(key.forbidden("this namespace may not be deleted"));
        }
        let decide = |slot: &Slot| {
            let old = slot.live().ok_or_else(|| key.not_found())?;
            rules::check_preconditions(key, old, options.uid.as_deref(), options.resource_version.as_deref())?;
            let mut new = old.clone();
            set_finalizers(&mut new, options.propagation, own_namespace);
            if new.metadata.finalizers.iter().flatten().next().is_none() {
                return Ok(Plan::Remove(Box::new(new)));
            }
            self.mark(&mut new, kind, own_namespace);
            Ok(if new == *old {
                Plan::Keep
            } else {
                Plan::Put(Box::new(new))
            })
        };
        let outcome = self.inner.transact(key, options.dry_run, decide).await?;
        Ok(Deleted {
            object: outcome.object,
            removed: outcome.removed,
        })
    }

    /// Deletes every object of a scope; gives those that were found.
    ///
    /// # Errors
    /// As [`Objects::list`] and [`Objects::delete`]; what was deleted until then stays deleted.
    pub async fn delete_all(&self, scope: &Scope, options: &DeleteOptions) -> Result<Vec<Object>, Error> {
        let query = ListQuery {
            scope: scope.clone(),
            ..ListQuery::default()
        };
        let found = self.list(&query).await?.items;
        let deletions = stream::iter(found).map(|object| async move {
            let key = Key::of(&object)?;
            let of_this = DeleteOptions {
                uid: object.metadata.uid.clone(),
                resource_version: None,
                ..options.clone()
            };
            match self.delete(&key, &of_this).await {
                Ok(_) | Err(Error::NotFound { .. } | Error::Conflict { .. }) => Ok(object),
                Err(error) => Err(error),
            }
        });
        deletions.buffered(CONCURRENT).try_collect().await
    }

    /// Says in the object that it is being deleted; once.
    fn mark(&self, object: &mut Object, kind: &Kind, own_namespace: bool) {
        if object.metadata.deletion_timestamp.is_some() {
            return;
        }
        object.metadata.deletion_timestamp = Some(self.inner.now());
        object.metadata.deletion_grace_period_seconds = Some(0);
        rules::next_generation(object, kind);
        if own_namespace {
            object
                .rest
                .insert("status".to_owned(), serde_json::json!({"phase": "Terminating"}));
        }
    }
}

/// The finalizers by which the collector of garbage knows what is to be done first.
fn set_finalizers(object: &mut Object, propagation: Option<Propagation>, own_namespace: bool) {
    let finalizers = object.metadata.finalizers.get_or_insert_default();
    let mut set = |name: &str, wanted: bool| {
        finalizers.retain(|known| known != name);
        if wanted {
            finalizers.push(name.to_owned());
        }
    };
    if let Some(propagation) = propagation {
        set(FOREGROUND_FINALIZER, propagation == Propagation::Foreground);
        set(ORPHAN_FINALIZER, propagation == Propagation::Orphan);
    }
    let marked = object.metadata.deletion_timestamp.is_some();
    if own_namespace && !marked {
        set(NAMESPACE_FINALIZER, true);
    }
    if finalizers.is_empty() {
        object.metadata.finalizers = None;
    }
}
