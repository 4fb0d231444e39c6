//! Creating objects.

use serde_json::Value;
use tidemill_resources::meta::ManagedFieldsEntry;
use tidemill_resources::names::DEFAULT_NAMESPACE;
use tidemill_resources::{Kind, Object};
use uuid::Uuid;

use crate::admit::{Admitted, admit};
use crate::inner::Slot;
use crate::key::known_kind;
use crate::write::Plan;
use crate::{Error, Key, Objects, names, namespaces, references, rules};

/// Names tried for one `generateName`.
const NAME_ATTEMPTS: usize = 8;

/// How a write is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Who writes, for objects whose fields have managers. Empty: nobody who is told apart.
    pub manager: String,
    /// Check everything, store nothing.
    pub dry_run: bool,
    /// Refuse unknown fields; otherwise they are dropped with a warning.
    pub strict: bool,
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The object as it is now; the last one when it was removed.
    pub object: Object,
    /// It is gone: the write took its last finalizer.
    pub removed: bool,
    /// For the user, such as references to what does not exist.
    pub warnings: Vec<String>,
}

impl Objects {
    /// Creates an object: admission, name, UID, times, generation and finalizers are the server's.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], [`Error::Invalid`], [`Error::NotFound`] or [`Error::Forbidden`] for
    /// its namespace, [`Error::TooLarge`], and what a store that does not answer gives.
    pub async fn create(&self, object: Object) -> Result<Object, Error> {
        let written = self.create_with(object.to_value(), WriteOptions::default()).await?;
        Ok(written.object)
    }

    /// The same from what a user wrote, with options and the warnings of admission.
    ///
    /// # Errors
    /// As [`Objects::create`].
    pub async fn create_with(&self, value: Value, options: WriteOptions) -> Result<Written, Error> {
        self.create_managed(value, options, None).await
    }

    /// The same with managers of its fields; what the author wrote of them does not count.
    pub(crate) async fn create_managed(
        &self,
        value: Value,
        options: WriteOptions,
        managed: Option<Vec<ManagedFieldsEntry>>,
    ) -> Result<Written, Error> {
        self.inner.check_ready()?;
        let Admitted {
            mut object,
            mut warnings,
        } = admit(value, None, options.strict)?;
        let kind = known_kind(&object)?;
        let version = object.metadata.resource_version.as_deref().unwrap_or_default();
        if !version.is_empty() {
            return Err(Error::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        object.metadata.managed_fields = managed;
        locate(&mut object);
        warnings.extend(references::warnings(&self.inner, &object));
        let generated = object.name().is_empty();
        let prefix = object.metadata.generate_name.clone().unwrap_or_default();
        let mut attempt = 1;
        loop {
            if generated && !prefix.is_empty() {
                object.metadata.name = Some(names::generate(&prefix));
            }
            let key = Key::of(&object)?;
            if attempt == 1 {
                self.check_namespace(&key, kind).await?;
            }
            match self.create_named(&key, kind, &object, options.dry_run).await {
                Err(Error::AlreadyExists { .. }) if generated && attempt < NAME_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
                Ok(object) => {
                    return Ok(Written {
                        object,
                        removed: false,
                        warnings,
                    });
                }
            }
        }
    }

    async fn create_named(&self, key: &Key, kind: &Kind, object: &Object, dry_run: bool) -> Result<Object, Error> {
        let object = rules::created(object.clone(), kind, self.inner.now(), Uuid::new_v4());
        let decide = |slot: &Slot| match slot {
            Slot::Live { .. } => Err(key.already_exists()),
            Slot::Empty | Slot::Tombstone { .. } => Ok(Plan::Put(Box::new(object.clone()))),
        };
        let outcome = self.inner.transact(key, dry_run, decide).await?;
        if *key == namespaces::namespace_key(&key.name) && !dry_run {
            // Boxed: the account is created the same way.
            Box::pin(self.furnish(&key.name)).await?;
        }
        Ok(outcome.object)
    }
}

/// Objects that name no namespace are of the default one; objects of the cluster have none.
pub(crate) fn locate(object: &mut Object) {
    if object.known_kind().is_some_and(|kind| !kind.namespaced) {
        object.metadata.namespace = None;
    } else if object.namespace().is_empty() {
        object.metadata.namespace = Some(DEFAULT_NAMESPACE.to_owned());
    }
}
