//! Namespaces: the default one, and what each of them holds from the start.

use tidemill_resources::names::{DEFAULT_NAMESPACE, DEFAULT_SERVICE_ACCOUNT};
use tidemill_resources::{Kind, Object};

use crate::{Error, Key, Objects};

impl Objects {
    /// Namespaces must exist and not be on their way out. The default one always does.
    pub(crate) async fn check_namespace(&self, key: &Key, kind: &Kind) -> Result<(), Error> {
        if !kind.namespaced || !self.inner.options.own_namespaces || key.namespace == DEFAULT_NAMESPACE {
            return Ok(());
        }
        let namespace = namespace_key(&key.namespace);
        let known = self.inner.index().get(&namespace);
        let deleting = match known {
            Some(known) => known.deleting,
            None => match self.get(&namespace).await? {
                Some(found) => found.metadata.deletion_timestamp.is_some(),
                None => return Err(namespace.not_found()),
            },
        };
        if deleting {
            return Err(key.forbidden(format!(
                "unable to create new content in namespace {} because it is being terminated",
                key.namespace
            )));
        }
        Ok(())
    }

    /// Makes sure that the default namespace exists and that each namespace has its service account.
    pub(crate) async fn furnish_namespaces(&self) -> Result<(), Error> {
        match self.create(bare("Namespace", "", DEFAULT_NAMESPACE)).await {
            Ok(_) | Err(Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(error),
        }
        for namespace in self.names_of("", "namespaces", "") {
            self.furnish(&namespace).await?;
        }
        Ok(())
    }

    /// What every namespace holds.
    pub(crate) async fn furnish(&self, namespace: &str) -> Result<(), Error> {
        let account = bare("ServiceAccount", namespace, DEFAULT_SERVICE_ACCOUNT);
        let key = Key::of(&account)?;
        let known = self.inner.index().get(&key);
        if known.is_some() {
            return Ok(());
        }
        match self.create(account).await {
            Ok(_) | Err(Error::AlreadyExists { .. } | Error::Forbidden { .. } | Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The key of a namespace.
pub(crate) fn namespace_key(name: &str) -> Key {
    Key {
        group: String::new(),
        resource: "namespaces".to_owned(),
        namespace: String::new(),
        name: name.to_owned(),
    }
}

fn bare(kind: &str, namespace: &str, name: &str) -> Object {
    let mut object = Object {
        api_version: "v1".to_owned(),
        kind: kind.to_owned(),
        ..Object::default()
    };
    object.metadata.name = Some(name.to_owned());
    object.metadata.namespace = Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty());
    object
}
