//! Credentials of registries: from the `imagePullSecrets` of the pod and of its ServiceAccount, else from the
//! runner's own `~/.docker/config.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;

use crate::backend::{Error, Lookup};

/// Where images without a registry in their names come from.
const DEFAULT_REGISTRY: &str = "docker.io";
/// What configuration files call it.
const DEFAULT_REGISTRY_KEY: &str = "index.docker.io";

/// Looks for credentials of one pod.
pub(super) struct Credentials<'a> {
    lookup: &'a dyn Lookup,
    pod: &'a Pod,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl<'a> Credentials<'a> {
    /// Of `pod`.
    pub(super) fn new(lookup: &'a dyn Lookup, pod: &'a Pod) -> Self {
        Self { lookup, pod }
    }

    /// Those for the registry of an image; `None`: it is asked without.
    pub(super) async fn of_image(&self, image: &str) -> Result<Option<DockerCredentials>, Error> {
        let registry = registry_of(image);
        for config in self.configs().await? {
            let entry = config.auths.iter().find(|(key, _)| host_of(key) == registry);
            if let Some((key, entry)) = entry {
                return Ok(Some(entry.credentials(key)));
            }
        }
        Ok(None)
    }

    async fn configs(&self) -> Result<Vec<Config>, Error> {
        let namespace = self.pod.metadata.namespace.as_deref().unwrap_or_default();
        let spec = self.pod.spec.as_ref();
        let account = spec.and_then(|spec| spec.service_account_name.as_deref());
        let account = account.filter(|name| !name.is_empty()).unwrap_or("default");
        let named = spec
            .into_iter()
            .flat_map(|spec| spec.image_pull_secrets.iter().flatten());
        let mut secrets: Vec<String> = named.map(|reference| reference.name.clone()).collect();
        secrets.extend(self.lookup.pull_secrets_of_account(namespace, account).await?);
        let mut configs = Vec::new();
        for name in secrets {
            // A Secret that is missing is passed over, as Kubernetes does: the pull then says what is wrong.
            let Some(data) = self.lookup.secret(namespace, &name).await? else {
                continue;
            };
            if let Some(text) = data.get(".dockerconfigjson") {
                configs.extend(serde_json::from_slice::<Config>(text).ok());
            }
            if let Some(text) = data.get(".dockercfg") {
                configs.extend(serde_json::from_slice(text).ok().map(|auths| Config { auths }));
            }
        }
        configs.extend(own_config().await);
        Ok(configs)
    }
}

impl Entry {
    fn credentials(&self, key: &str) -> DockerCredentials {
        let (username, password) = self.name_and_password();
        DockerCredentials {
            username: Some(username),
            password: Some(password),
            serveraddress: Some(key.to_owned()),
            identitytoken: (!self.identitytoken.is_empty()).then(|| self.identitytoken.clone()),
            ..DockerCredentials::default()
        }
    }

    fn name_and_password(&self) -> (String, String) {
        let decoded = STANDARD.decode(&self.auth).unwrap_or_default();
        let text = String::from_utf8_lossy(&decoded).into_owned();
        match text.split_once(':') {
            Some((name, password)) => (name.to_owned(), password.to_owned()),
            None => (self.username.clone(), self.password.clone()),
        }
    }
}

async fn own_config() -> Option<Config> {
    let directory = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let directory = directory.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")))?;
    let text = tokio::fs::read(directory.join("config.json")).await.ok()?;
    serde_json::from_slice(&text).ok()
}

/// The registry an image comes from.
fn registry_of(image: &str) -> String {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host_of(host),
        _ => DEFAULT_REGISTRY.to_owned(),
    }
}

/// The registry that a key of a configuration names.
fn host_of(key: &str) -> String {
    let key = key
        .strip_prefix("https://")
        .or(key.strip_prefix("http://"))
        .unwrap_or(key);
    match key.split('/').next().unwrap_or(key) {
        DEFAULT_REGISTRY_KEY => DEFAULT_REGISTRY.to_owned(),
        host => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_found_by_images_and_by_keys() {
        assert_eq!(registry_of("alpine:3"), "docker.io");
        assert_eq!(registry_of("library/alpine"), "docker.io");
        assert_eq!(registry_of("harbor.k8s.local/course/demo:v1"), "harbor.k8s.local");
        assert_eq!(registry_of("localhost/demo"), "localhost");
        assert_eq!(host_of("https://index.docker.io/v1/"), "docker.io");
        assert_eq!(host_of("http://host:5000"), "host:5000");
    }

    #[test]
    fn an_entry_has_its_password_in_one_field_or_two() {
        let text = r#"{"auths": {"a": {"auth": "bWU6c2U6Y3JldA=="}, "b": {"username": "me", "password": "x"}}}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        assert_eq!(
            config.auths["a"].name_and_password(),
            ("me".to_owned(), "se:cret".to_owned())
        );
        assert_eq!(config.auths["b"].name_and_password(), ("me".to_owned(), "x".to_owned()));
    }
}
