//! Reading an image's configuration from its registry.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use serde::Deserialize;
use serde_json::Value;

use super::reference::Reference;
use crate::backend::kubernetes::Settings;

/// Manifests that are understood: of one image, and of one for each platform.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.v2+json, \
                         application/vnd.oci.image.index.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json";
/// Largest answer.
const MAX_BYTES: usize = 8 << 20;
/// Steps of one request: to be told who to be, where to go.
const MAX_STEPS: usize = 5;

/// What an image says it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    entrypoint: Vec<String>,
    cmd: Vec<String>,
    /// Its name with its digest.
    pub(super) pinned: String,
}

/// Users by registry.
#[derive(Default)]
pub(super) struct Users {
    /// Host, and what follows `Basic `.
    entries: Vec<(String, String)>,
}

/// A way to registries.
pub(super) struct Registry<'a> {
    settings: &'a Settings,
    users: Option<&'a Users>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

impl Config {
    /// What a step runs that says nothing, or only arguments.
    pub(super) fn command(&self, has_args: bool) -> Vec<String> {
        match (self.entrypoint.is_empty(), has_args) {
            (true, _) => self.cmd.clone(),
            (false, true) => self.entrypoint.clone(),
            (false, false) => [&self.entrypoint[..], &self.cmd].concat(),
        }
    }
}

impl Users {
    /// Adds entries of a docker configuration; earlier ones win.
    pub(super) fn add(&mut self, auths: BTreeMap<String, Value>) {
        for (registry, entry) in auths {
            let text = |key: &str| entry.get(key).and_then(Value::as_str);
            let auth = text("auth")
                .map(str::to_owned)
                .or_else(|| Some(STANDARD.encode(format!("{}:{}", text("username")?, text("password")?))));
            self.entries.extend(auth.map(|auth| (host_of(&registry), auth)));
        }
    }

    fn of(&self, host: &str) -> Option<&str> {
        let mut fitting = self.entries.iter().filter(|(of, _)| of == host);
        fitting.next().map(|(_, auth)| auth.as_str())
    }
}

impl<'a> Registry<'a> {
    pub(super) fn new(settings: &'a Settings, users: Option<&'a Users>) -> Self {
        Self { settings, users }
    }

    /// The image's configuration.
    pub(super) async fn config(&self, image: &Reference) -> Result<Config, String> {
        let (manifest, digest) = self.manifest(image).await?;
        let config = manifest.config.ok_or("its manifest names no configuration")?;
        let path = format!("/v2/{}/blobs/{}", image.repository, config.digest);
        let blob = self.get(image, &path, "*/*").await?.1;
        let read: Value = serde_json::from_slice(&blob).map_err(|_| "its configuration is no JSON")?;
        let list = |name: &str| -> Vec<String> {
            let found = read.get("config").and_then(|config| config.get(name));
            found
                .and_then(|found| serde_json::from_value(found.clone()).ok())
                .unwrap_or_default()
        };
        Ok(Config {
            entrypoint: list("Entrypoint"),
            cmd: list("Cmd"),
            pinned: format!("{}@{digest}", image.written),
        })
    }

    /// The manifest for this platform, with the digest by which it is pulled.
    async fn manifest(&self, image: &Reference) -> Result<(Manifest, String), String> {
        let (digest, manifest) = self.read_manifest(image, &image.version).await?;
        if manifest.manifests.is_empty() {
            return Ok((manifest, digest));
        }
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let ours = manifest.manifests.iter().find(|one| {
            let platform = one.platform.as_ref();
            platform.is_some_and(|platform| platform.os == "linux" && platform.architecture == architecture)
        });
        let ours = ours.ok_or_else(|| format!("it has nothing for linux/{architecture}"))?;
        let (_, manifest) = self.read_manifest(image, &ours.digest).await?;
        Ok((manifest, digest))
    }

    async fn read_manifest(&self, image: &Reference, version: &str) -> Result<(String, Manifest), String> {
        let path = format!("/v2/{}/manifests/{version}", image.repository);
        let (answer, body) = self.get(image, &path, MANIFESTS).await?;
        let told = answer
            .headers()
            .get("docker-content-digest")
            .and_then(|value| value.to_str().ok());
        let digest = told.map_or_else(|| digest_of(&body), str::to_owned);
        let manifest = serde_json::from_slice(&body).map_err(|_| "its manifest cannot be read")?;
        Ok((digest, manifest))
    }

    async fn get(&self, image: &Reference, path: &str, accept: &str) -> Result<(Response<()>, Bytes), String> {
        let scheme = if self.settings.insecure_registries.contains(&image.host) {
            "http"
        } else {
            "https"
        };
        let mut url = format!("{scheme}://{}{path}", image.host);
        let mut authorization: Option<String> = None;
        for _ in 0..MAX_STEPS {
            let (answer, body) = self.ask(&url, accept, authorization.as_deref()).await?;
            match answer.status() {
                status if status.is_success() => return Ok((answer, body)),
                StatusCode::UNAUTHORIZED if authorization.is_none() => {
                    authorization = Some(self.authorize(image, &answer).await?);
                }
                status if status.is_redirection() => {
                    let to = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
                    let to = to.ok_or("its registry leads nowhere")?;
                    url = if to.starts_with('/') {
                        format!("{scheme}://{}{to}", image.host)
                    } else {
                        to.to_owned()
                    };
                    // The storage behind a registry has its own credentials in the URL.
                    authorization = authorization.filter(|_| host_of(&url) == image.host);
                }
                status => return Err(format!("its registry {} answers {status}", image.host)),
            }
        }
        Err(format!("its registry {} leads in a circle", image.host))
    }

    /// What to be, as the registry asks for it.
    async fn authorize(&self, image: &Reference, answer: &Response<()>) -> Result<String, String> {
        let user = self.users.and_then(|users| users.of(&image.host));
        let basic = user.map(|user| format!("Basic {user}"));
        let asked = answer
            .headers()
            .get(WWW_AUTHENTICATE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let refused = || {
            format!(
                "its registry {} wants credentials, and no imagePullSecret has any for it",
                image.host
            )
        };
        let Some(parameters) = asked.strip_prefix("Bearer ") else {
            return basic.ok_or_else(refused);
        };
        let value = |name: &str| {
            let start = parameters.find(&format!("{name}=\""))? + name.len() + 2;
            parameters[start..].split('"').next()
        };
        let realm = value("realm").ok_or_else(refused)?;
        let mut url = format!("{realm}?scope=repository:{}:pull", image.repository);
        if let Some(service) = value("service") {
            url.push_str(&format!("&service={}", service.replace(' ', "%20")));
        }
        let (answer, body) = self.ask(&url, "application/json", basic.as_deref()).await?;
        if !answer.status().is_success() {
            return Err(refused());
        }
        let read: Value = serde_json::from_slice(&body).unwrap_or_default();
        let token = ["token", "access_token"]
            .into_iter()
            .find_map(|name| read.get(name)?.as_str());
        token.map(|token| format!("Bearer {token}")).ok_or_else(refused)
    }

    async fn ask(&self, url: &str, accept: &str, authorization: Option<&str>) -> Result<(Response<()>, Bytes), String> {
        let uri: Uri = url.parse().map_err(|_| format!("`{url}` is no address"))?;
        let failed = |error: &dyn std::error::Error| {
            format!("{} cannot be asked: {}", uri.host().unwrap_or_default(), Shown(error))
        };
        let client = self.client(&uri).map_err(|error| failed(&error))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::get(path).header(ACCEPT, accept);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Body::empty()).map_err(|error| failed(&error))?;
        let answer = client.send(request).await.map_err(|error| failed(&error))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, MAX_BYTES).collect().await;
        let body = body.map_err(|error| format!("its registry's answer cannot be read: {error}"))?;
        Ok((Response::from_parts(parts, ()), body.to_bytes()))
    }

    /// The cluster's client is an HTTP client with TLS like any other.
    fn client(&self, uri: &Uri) -> Result<kube::Client, kube::Error> {
        let mut base = http::uri::Parts::default();
        base.scheme = uri.scheme().cloned();
        base.authority = uri.authority().cloned();
        base.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        let mut config = kube::Config::new(Uri::from_parts(base).unwrap_or_default());
        config.root_cert = self.settings.registry_roots();
        kube::Client::try_from(config)
    }
}

struct Shown<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)?;
        self.0.source().map_or(Ok(()), |source| write!(formatter, ": {source}"))
    }
}

/// Host and port of a registry as docker's files name it.
fn host_of(registry: &str) -> String {
    let rest = registry.split_once("://").map_or(registry, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

fn digest_of(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(bytes);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(entrypoint: &[&str], cmd: &[&str]) -> Config {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Config {
            entrypoint: owned(entrypoint),
            cmd: owned(cmd),
            pinned: String::new(),
        }
    }

    #[test]
    fn a_command_stands_for_an_entrypoint_that_is_empty() {
        assert_eq!(config(&["e"], &["c"]).command(false), ["e", "c"]);
        assert_eq!(config(&["e"], &["c"]).command(true), ["e"]);
        assert_eq!(config(&[], &["c"]).command(true), ["c"]);
        assert!(config(&[], &[]).command(false).is_empty());
    }

    #[test]
    fn users_are_found_by_host() {
        let mut users = Users::default();
        let entries = [
            ("https://harbor.k8s.local/v2/", r#"{"auth": "YTpi"}"#),
            ("x:5000", r#"{"username": "a", "password": "b"}"#),
        ];
        users.add(
            entries
                .map(|(host, entry)| (host.to_owned(), serde_json::from_str(entry).unwrap()))
                .into(),
        );
        assert_eq!(users.of("harbor.k8s.local"), Some("YTpi"));
        assert_eq!(users.of("x:5000"), Some("YTpi"));
        assert_eq!(users.of("other"), None);
    }
}
