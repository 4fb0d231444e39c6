//! Changing objects that exist.

use serde_json::{Map, Value};
use tidemill_resources::{Kind, Object};

use crate::admit::admit;
use crate::create::{WriteOptions, Written, locate};
use crate::inner::Slot;
use crate::managed::{self, Writer};
use crate::patch::Patch;
use crate::rules::{self, Part};
use crate::write::{Outcome, Plan};
use crate::{Error, Key, Objects, references};

impl Objects {
    /// Replaces an object (but for its status, where the kind has one of its own). With a
    /// resourceVersion only that version; with a UID only that object.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`], [`Error::Invalid`], [`Error::TooLarge`], and what a
    /// store that does not answer gives.
    pub async fn update(&self, object: Object) -> Result<Object, Error> {
        let written = self
            .update_with(object.to_value(), Part::Main, WriteOptions::default())
            .await?;
        Ok(written.object)
    }

    /// The same for a part of the object, from what a user wrote, with options and the warnings of
    /// admission.
    ///
    /// # Errors
    /// As [`Objects::update`].
    pub async fn update_with(&self, value: Value, part: Part, options: WriteOptions) -> Result<Written, Error> {
        // Only to find the object; it is admitted again as new content of what is stored.
        let mut object = admit(value.clone(), None, options.strict)?.object;
        locate(&mut object);
        let key = Key::of(&object)?;
        let mut value = value;
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".to_owned(), object.namespace().into());
        }
        self.admitted(&key, part, &options, false, |_| Ok(value.clone())).await
    }

    /// Applies a merge patch (RFC 7386).
    ///
    /// # Errors
    /// As [`Objects::patch`].
    pub async fn merge_patch(&self, key: &Key, patch: Value, part: Part) -> Result<Object, Error> {
        let written = self
            .patch(key, &Patch::Merge(patch), part, WriteOptions::default())
            .await?;
        Ok(written.object)
    }

    /// Applies a patch to the newest version, again and again until no other writer comes between. A
    /// patch that sets the resourceVersion is for that version only.
    ///
    /// # Errors
    /// As [`Objects::update`]; [`Error::BadRequest`] or [`Error::Invalid`] for a patch that does not
    /// apply.
    pub async fn patch(&self, key: &Key, patch: &Patch, part: Part, options: WriteOptions) -> Result<Written, Error> {
        self.admitted(key, part, &options, false, |old| patched(key, old, patch))
            .await
    }

    /// Changes the status of the object with this UID, again and again until no other writer comes
    /// between. `change` may be called more than once.
    ///
    /// # Errors
    /// [`Error::NotFound`] also when another object has the name now.
    pub async fn update_status(
        &self,
        key: &Key,
        uid: &str,
        change: impl Fn(&mut Map<String, Value>),
    ) -> Result<Object, Error> {
        let changed = |object: &mut Object| {
            let status = object.rest.entry("status").or_insert_with(|| Value::Object(Map::new()));
            if !status.is_object() {
                *status = Value::Object(Map::new());
            }
            if let Some(status) = status.as_object_mut() {
                change(status);
            }
        };
        self.modify(key, uid, changed).await
    }

    /// Changes the object with this UID, status and metadata included; for services. `change` may be
    /// called more than once. What changes the spec is a new generation.
    ///
    /// # Errors
    /// [`Error::NotFound`] also when another object has the name now.
    pub async fn modify(&self, key: &Key, uid: &str, change: impl Fn(&mut Object)) -> Result<Object, Error> {
        let outcome = self
            .rewrite(key, Part::Whole, false, |old| {
                if old.metadata.uid.as_deref() != Some(uid) {
                    return Err(key.not_found());
                }
                let mut new = old.clone();
                change(&mut new);
                Ok(new)
            })
            .await?;
        Ok(outcome.object)
    }

    /// Removes a finalizer from the object with this UID; the object goes when it was the last one
    /// and a deletion waits for it. Done already counts as done.
    ///
    /// # Errors
    /// What a store that does not answer gives.
    pub async fn remove_finalizer(&self, key: &Key, uid: &str, finalizer: &str) -> Result<(), Error> {
        let without = |object: &mut Object| {
            if let Some(finalizers) = &mut object.metadata.finalizers {
                finalizers.retain(|known| known != finalizer);
            }
        };
        match self.modify(key, uid, without).await {
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Read, change, admit, change by the rules, write. With `applied` the change says who manages which field.
    pub(crate) async fn admitted(
        &self,
        key: &Key,
        part: Part,
        options: &WriteOptions,
        applied: bool,
        change: impl Fn(&Object) -> Result<Value, Error>,
    ) -> Result<Written, Error> {
        let kind = kind_of(key)?;
        let mut warnings = Vec::new();
        let outcome = self
            .rewrite(key, part, options.dry_run, |old| {
                let mut value = change(old)?;
                let text = |path: &str| value.pointer(path).and_then(Value::as_str);
                let (uid, version) = (text("/metadata/uid"), text("/metadata/resourceVersion"));
                rules::check_preconditions(key, old, uid, version)?;
                let managers = value.pointer("/metadata/managedFields").cloned().unwrap_or_default();
                rules::confine(&mut value, old, kind, part);
                // What a service stored may lack defaults: filling them in is no change of the user's.
                let full = admit(old.to_value(), None, false).map_or_else(|_| old.clone(), |full| full.object);
                let mut admitted = admit(value, Some(&full), options.strict)?;
                admitted.object.metadata.managed_fields = if applied {
                    serde_json::from_value(managers).unwrap_or_default()
                } else {
                    let writer = Writer {
                        manager: &options.manager,
                        part,
                        now: &self.inner.now(),
                    };
                    managed::tracked(old, &admitted.object, writer)
                };
                warnings = admitted.warnings;
                if admitted.object.rest.get("spec") != full.rest.get("spec") {
                    warnings.extend(references::warnings(&self.inner, &admitted.object));
                }
                Ok(admitted.object)
            })
            .await?;
        Ok(Written {
            object: outcome.object,
            removed: outcome.removed,
            warnings,
        })
    }

    /// Read, change by the rules, write.
    pub(crate) async fn rewrite(
        &self,
        key: &Key,
        part: Part,
        dry_run: bool,
        mut change: impl FnMut(&Object) -> Result<Object, Error>,
    ) -> Result<Outcome, Error> {
        let kind = kind_of(key)?;
        let decide = |slot: &Slot| {
            let old = slot.live().ok_or_else(|| key.not_found())?;
            let new = rules::updated(key, kind, old, change(old)?, part)?;
            if new == *old {
                Ok(Plan::Keep)
            } else if rules::is_due(&new) {
                Ok(Plan::Remove(Box::new(new)))
            } else {
                Ok(Plan::Put(Box::new(new)))
            }
        };
        self.inner.transact(key, dry_run, decide).await
    }
}

/// The kind of a key.
pub(crate) fn kind_of(key: &Key) -> Result<&'static Kind, Error> {
    key.kind()
        .ok_or_else(|| Error::bad_request(format!("no resource {} is known", key.group_resource())))
}

fn patched(key: &Key, old: &Object, patch: &Patch) -> Result<Value, Error> {
    let mut value = old.to_value();
    patch.apply(&mut value)?;
    for field in ["/metadata/name", "/metadata/namespace"] {
        if value.pointer(field) != old.to_value().pointer(field) {
            let field = field.trim_start_matches('/').replace('/', ".");
            return Err(key.invalid(&field, "Invalid value: field is immutable"));
        }
    }
    Ok(value)
}
