//! The objects a pod refers to.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use tidemill_messages::sandbox::{Content, Source};

use super::config_error;
use crate::backend::{Error, Lookup};

type Data = BTreeMap<String, Bytes>;

/// The objects a pod refers to; remembers which values were secret.
pub(in crate::backend) struct Sources<'a> {
    lookup: &'a dyn Lookup,
    state_directory: &'a Path,
    namespace: &'a str,
    /// Values that came from Secrets.
    pub(in crate::backend) masked: Vec<Content>,
}

impl<'a> Sources<'a> {
    /// For a pod of `namespace`.
    pub(in crate::backend) fn new(lookup: &'a dyn Lookup, state_directory: &'a Path, namespace: &'a str) -> Self {
        Self {
            lookup,
            state_directory,
            namespace,
            masked: Vec::new(),
        }
    }

    /// A Secret; `None` only if it is optional. `user` is who wants it.
    pub(in crate::backend) async fn secret(
        &mut self,
        name: &str,
        optional: bool,
        user: &str,
    ) -> Result<Option<Data>, Error> {
        let data = self.lookup.secret(self.namespace, name).await?;
        let values = data.iter().flat_map(BTreeMap::values);
        self.masked.extend(values.map(|value| Content(value.to_vec())));
        self.present(data, "Secret", name, optional, user)
    }

    /// A ConfigMap, likewise.
    pub(in crate::backend) async fn config_map(
        &mut self,
        name: &str,
        optional: bool,
        user: &str,
    ) -> Result<Option<Data>, Error> {
        let data = self.lookup.config_map(self.namespace, name).await?;
        self.present(data, "ConfigMap", name, optional, user)
    }

    fn present(
        &self,
        data: Option<Data>,
        kind: &str,
        name: &str,
        optional: bool,
        user: &str,
    ) -> Result<Option<Data>, Error> {
        if data.is_none() && !optional {
            let namespace = self.namespace;
            return Err(config_error(format!(
                "`{user}` wants {kind} \"{name}\", which is not in namespace \"{namespace}\""
            )));
        }
        Ok(data)
    }

    /// The directory of a claim.
    pub(in crate::backend) async fn claim(&mut self, claim: &str, volume: &str) -> Result<Source, Error> {
        let namespace = self.namespace;
        match self.lookup.claim(namespace, claim).await? {
            Some(Some(path)) => Ok(Source::Directory(path)),
            Some(None) => {
                let plain = |name: &str| !name.contains('/') && !name.starts_with('.') && !name.is_empty();
                if !plain(namespace) || !plain(claim) {
                    return Err(config_error(format!(
                        "\"{namespace}/{claim}\" is no name of a PersistentVolumeClaim"
                    )));
                }
                Ok(Source::Directory(
                    self.state_directory.join("volumes").join(namespace).join(claim),
                ))
            }
            None => Err(config_error(format!(
                "volume `{volume}` wants PersistentVolumeClaim \"{claim}\", which is not in namespace \"{namespace}\""
            ))),
        }
    }
}
