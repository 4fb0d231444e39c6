//! The cluster's own Secrets, ConfigMaps, claims and ServiceAccounts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, ServiceAccount};
use kube::api::Api;

use super::cluster::{Cluster, call};
use crate::backend::{Error, Lookup};
use crate::credentials::SecretObject;

/// Looks in the cluster.
pub struct ClusterLookup(Cluster);

impl ClusterLookup {
    /// In this one.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        Self(cluster)
    }

    async fn get(&self, namespace: &str, name: &str) -> Result<Option<Secret>, Error> {
        let secrets: Api<Secret> = Api::namespaced(self.0.client.clone(), namespace);
        call("read a Secret", secrets.get_opt(name)).await
    }

    async fn account(&self, namespace: &str, name: &str) -> Result<Option<ServiceAccount>, Error> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.0.client.clone(), namespace);
        call("read a ServiceAccount", accounts.get_opt(name)).await
    }
}

#[async_trait]
impl Lookup for ClusterLookup {
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, Bytes>>, Error> {
        let secret = self.get(namespace, name).await?;
        Ok(secret.map(|secret| bytes_of(secret.data)))
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, Bytes>>, Error> {
        let maps: Api<ConfigMap> = Api::namespaced(self.0.client.clone(), namespace);
        let map = call("read a ConfigMap", maps.get_opt(name)).await?;
        Ok(map.map(|map| {
            let texts = map
                .data
                .unwrap_or_default()
                .into_iter()
                .map(|(key, text)| (key, Bytes::from(text)));
            let mut all = bytes_of(map.binary_data);
            all.extend(texts);
            all
        }))
    }

    async fn claim(&self, namespace: &str, name: &str) -> Result<Option<Option<PathBuf>>, Error> {
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.0.client.clone(), namespace);
        let claim = call("read a claim", claims.get_opt(name)).await?;
        Ok(claim.map(|_| None))
    }

    async fn secrets_of_account(&self, namespace: &str, name: &str) -> Result<Option<Vec<String>>, Error> {
        let account = self.account(namespace, name).await?;
        Ok(account.map(|account| {
            let secrets = account.secrets.unwrap_or_default();
            secrets.into_iter().filter_map(|secret| secret.name).collect()
        }))
    }

    async fn pull_secrets_of_account(&self, namespace: &str, name: &str) -> Result<Vec<String>, Error> {
        let account = self.account(namespace, name).await?;
        let secrets = account
            .and_then(|account| account.image_pull_secrets)
            .unwrap_or_default();
        Ok(secrets.into_iter().map(|secret| secret.name).collect())
    }

    async fn secret_object(&self, namespace: &str, name: &str) -> Result<Option<SecretObject>, Error> {
        let secret = self.get(namespace, name).await?;
        Ok(secret.map(|secret| SecretObject {
            kind: secret.type_.unwrap_or_default(),
            annotations: secret.metadata.annotations.unwrap_or_default(),
            data: bytes_of(secret.data),
        }))
    }
}

fn bytes_of(data: Option<BTreeMap<String, k8s_openapi::ByteString>>) -> BTreeMap<String, Bytes> {
    let data = data.unwrap_or_default();
    data.into_iter()
        .map(|(key, value)| (key, Bytes::from(value.0)))
        .collect()
}
