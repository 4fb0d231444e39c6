//! Secrets, ConfigMaps and claims of a test.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use tidemill_runner::backend::{Error, Lookup};

type Data = BTreeMap<String, Bytes>;

/// What there is, by name; the namespace is always `default`.
#[derive(Default)]
pub(crate) struct Objects {
    secrets: Mutex<BTreeMap<String, Data>>,
    config_maps: Mutex<BTreeMap<String, Data>>,
    claims: Mutex<BTreeMap<String, Option<PathBuf>>>,
}

impl Objects {
    pub(crate) fn secret(&self, name: &str, data: &[(&str, &str)]) {
        self.secrets.lock().unwrap().insert(name.to_owned(), owned(data));
    }

    pub(crate) fn config_map(&self, name: &str, data: &[(&str, &str)]) {
        self.config_maps.lock().unwrap().insert(name.to_owned(), owned(data));
    }

    pub(crate) fn claim(&self, name: &str, host_path: Option<PathBuf>) {
        self.claims.lock().unwrap().insert(name.to_owned(), host_path);
    }
}

fn owned(data: &[(&str, &str)]) -> Data {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), Bytes::copy_from_slice(value.as_bytes()));
    data.iter().map(own).collect()
}

#[async_trait]
impl Lookup for Objects {
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Data>, Error> {
        assert_eq!(namespace, "default");
        Ok(self.secrets.lock().unwrap().get(name).cloned())
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<Data>, Error> {
        assert_eq!(namespace, "default");
        Ok(self.config_maps.lock().unwrap().get(name).cloned())
    }

    async fn claim(&self, namespace: &str, name: &str) -> Result<Option<Option<PathBuf>>, Error> {
        assert_eq!(namespace, "default");
        Ok(self.claims.lock().unwrap().get(name).cloned())
    }
}
