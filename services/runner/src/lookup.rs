//! The objects pods refer to, from Tidemill's own store.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use tidemill_objects::{Key, Objects};
use tidemill_resources::Object;

use crate::backend::{Error, Lookup, SecretObject};

/// Annotation of a claim that stands for a directory of the host.
const ANNOTATION_HOST_PATH: &str = "tidemill.dev/host-path";

/// ServiceAccounts whose Secrets are remembered at most.
const MAX_REMEMBERED: usize = 1024;

/// Looks in the objects that the gateway serves.
pub struct ObjectLookup(Objects, Mutex<HashMap<Key, Remembered>>);

/// Names of Secrets, and the version of the ServiceAccount that has them.
type Remembered = (u64, Vec<String>);

impl ObjectLookup {
    /// Over `objects`, which may still be catching up: calls wait for them.
    pub fn new(objects: Objects) -> Self {
        Self(objects, Mutex::default())
    }

    /// The names of an account's Secrets. Every attempt asks, so an account that has not changed is not
    /// read again.
    async fn account(&self, namespace: &str, name: &str) -> Result<Option<Vec<String>>, Error> {
        let key = Key {
            group: String::new(),
            resource: "serviceaccounts".to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.0.ready().await.map_err(|source| Error::Place {
            action: format!("read serviceaccounts {namespace}/{name}"),
            source: Box::new(source),
        })?;
        let Some(known) = self.0.known(&key) else {
            return Ok(None);
        };
        let remembered = self.remembered().get(&key).cloned();
        if let Some((_, names)) = remembered.filter(|(version, _)| *version == known.sequence) {
            return Ok(Some(names));
        }
        let Some(account) = self.get("serviceaccounts", namespace, name).await? else {
            return Ok(None);
        };
        let secrets = account.rest.get("secrets").and_then(Value::as_array);
        let names = secrets
            .into_iter()
            .flatten()
            .filter_map(|secret| secret.get("name")?.as_str());
        let names: Vec<String> = names.map(str::to_owned).collect();
        let mut remembered = self.remembered();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(key, (known.sequence, names.clone()));
        Ok(Some(names))
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<Key, Remembered>> {
        self.1.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, resource: &str, namespace: &str, name: &str) -> Key {
        Key {
            group: String::new(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    async fn get(&self, resource: &str, namespace: &str, name: &str) -> Result<Option<Object>, Error> {
        let key = self.key(resource, namespace, name);
        let found = async {
            self.0.ready().await?;
            self.0.get(&key).await
        };
        found.await.map_err(|source| Error::Place {
            action: format!("read {resource} {namespace}/{name}"),
            source: Box::new(source),
        })
    }
}

#[async_trait]
impl Lookup for ObjectLookup {
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, Bytes>>, Error> {
        let secret = self.get("secrets", namespace, name).await?;
        secret
            .map(|secret| {
                Ok(merged(
                    decoded(&secret, "data", "Secret")?,
                    texts(&secret, "stringData"),
                ))
            })
            .transpose()
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, Bytes>>, Error> {
        let map = self.get("configmaps", namespace, name).await?;
        map.map(|map| Ok(merged(decoded(&map, "binaryData", "ConfigMap")?, texts(&map, "data"))))
            .transpose()
    }

    async fn claim_record(&self, namespace: &str, name: &str) -> Result<Option<Object>, Error> {
        self.get("persistentvolumeclaims", namespace, name).await
    }

    async fn secrets_of_account(&self, namespace: &str, name: &str) -> Result<Option<Vec<String>>, Error> {
        self.account(namespace, name).await
    }

    async fn pull_secrets_of_account(&self, namespace: &str, name: &str) -> Result<Vec<String>, Error> {
        let account = self.get("serviceaccounts", namespace, name).await?;
        let secrets = account
            .as_ref()
            .and_then(|account| account.rest.get("imagePullSecrets"));
        let secrets = secrets.and_then(Value::as_array).into_iter().flatten();
        let names = secrets.filter_map(|secret| secret.get("name")?.as_str());
        Ok(names.map(str::to_owned).collect())
    }

    async fn secret_object(&self, namespace: &str, name: &str) -> Result<Option<SecretObject>, Error> {
        let Some(secret) = self.get("secrets", namespace, name).await? else {
            return Ok(None);
        };
        let data = merged(decoded(&secret, "data", "Secret")?, texts(&secret, "stringData"));
        Ok(Some(SecretObject {
            kind: secret
                .rest
                .get("type")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            annotations: secret.metadata.annotations.unwrap_or_default(),
            data,
        }))
    }

    async fn claim(&self, namespace: &str, name: &str) -> Result<Option<Option<PathBuf>>, Error> {
        let key = self.key("persistentvolumeclaims", namespace, name);
        // What is said of a claim here does not change while it is there: the index may be asked. Only
        // what it does not have is asked for.
        let claim = match self.0.seen(&key).await {
            Ok(Some(claim)) => Some(claim),
            _ => self.get("persistentvolumeclaims", namespace, name).await?,
        };
        Ok(claim.map(|claim| {
            let annotations = claim.metadata.annotations.unwrap_or_default();
            annotations.get(ANNOTATION_HOST_PATH).map(PathBuf::from)
        }))
    }
}

type Data = BTreeMap<String, Bytes>;

fn merged(mut base: Data, over: Data) -> Data {
    base.extend(over);
    base
}

fn texts(object: &Object, field: &str) -> Data {
    entries(object, field)
        .map(|(key, text)| (key.clone(), Bytes::copy_from_slice(text.as_bytes())))
        .collect()
}

fn decoded(object: &Object, field: &str, kind: &str) -> Result<Data, Error> {
    let decode = |(key, text): (&String, &str)| {
        let bytes = STANDARD.decode(text).map_err(|_| Error::Task {
            reason: "CreateContainerConfigError".to_owned(),
            message: format!(
                "{kind} {}/{}: {field}.{key} is not base64",
                object.namespace(),
                object.name()
            ),
        })?;
        Ok((key.clone(), Bytes::from(bytes)))
    };
    entries(object, field).map(decode).collect()
}

fn entries<'a>(object: &'a Object, field: &str) -> impl Iterator<Item = (&'a String, &'a str)> {
    let map = object.rest.get(field).and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key, value.as_str()?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidemill_bus::{Memory, layout};
    use tidemill_objects::Options;

    use super::*;

    async fn lookup(objects: &[Value]) -> ObjectLookup {
        let bus = Memory::default().connect();
        layout::ensure(&bus, &layout::Limits::default()).await.unwrap();
        let store = Objects::start(bus, Options::default()).await.unwrap();
        store.ready().await.unwrap();
        for object in objects {
            let object = serde_json::from_value(object.clone()).unwrap();
            store.create(object).await.unwrap();
        }
        ObjectLookup::new(store)
    }

    fn object(kind: &str, name: &str, rest: Value) -> Value {
        let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "default"}});
        object
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        object
    }

    #[tokio::test]
    async fn data_is_decoded_and_what_is_missing_is_none() {
        let lookup = lookup(&[
            object(
                "Secret",
                "keys",
                json!({"data": {"a": "AAH/"}, "stringData": {"b": "text"}}),
            ),
            object(
                "ConfigMap",
                "flags",
                json!({"data": {"a": "text"}, "binaryData": {"b": "AAH/"}}),
            ),
        ])
        .await;
        let secret = lookup.secret("default", "keys").await.unwrap().unwrap();
        assert_eq!((&secret["a"][..], &secret["b"][..]), (&[0, 1, 255][..], &b"text"[..]));
        let map = lookup.config_map("default", "flags").await.unwrap().unwrap();
        assert_eq!((&map["a"][..], &map["b"][..]), (&b"text"[..], &[0, 1, 255][..]));
        assert!(lookup.secret("default", "other").await.unwrap().is_none());
        assert!(lookup.config_map("other", "flags").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_claim_may_stand_for_a_directory_of_the_host() {
        let spec = json!({"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        }});
        let mut host = object("PersistentVolumeClaim", "host", spec.clone());
        host["metadata"]["annotations"] = json!({ANNOTATION_HOST_PATH: "/srv/src"});
        let lookup = lookup(&[object("PersistentVolumeClaim", "plain", spec), host]).await;
        assert_eq!(lookup.claim("default", "plain").await.unwrap(), Some(None));
        assert_eq!(
            lookup.claim("default", "host").await.unwrap(),
            Some(Some("/srv/src".into()))
        );
        assert_eq!(lookup.claim("default", "none").await.unwrap(), None);
    }
}
