//! The same small client for both servers: one connection kept, JSON, HTTP/1.1.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use futures::{AsyncBufReadExt as _, TryStreamExt as _};
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;

/// A server to ask.
pub(super) struct Client(kube::Client);

impl Client {
    pub(super) async fn of_kubeconfig(path: &Path) -> Result<Self> {
        let kubeconfig = Kubeconfig::read_from(path)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Self(kube::Client::try_from(config)?))
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        let request = http::Request::get(path).body(Vec::new())?;
        self.0.request(request).await.with_context(|| path.to_owned())
    }

    pub(super) async fn post(&self, path: &str, object: &Value) -> Result<Value> {
        let request = http::Request::post(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(object.to_string().into_bytes())?;
        self.0.request(request).await.with_context(|| path.to_owned())
    }

    /// Reads the first `count` events.
    pub(super) async fn watch(&self, path: &str, count: usize) -> Result<()> {
        let request = http::Request::get(path).body(Vec::new())?;
        let body = self.0.request_stream(request).await?;
        let body = std::pin::pin!(body);
        let mut lines = body.lines();
        for number in 0..count {
            let line = lines.try_next().await?;
            let line = line.with_context(|| format!("the watch ended after {number} events"))?;
            ensure!(line.contains("\"ADDED\""), "{line}");
        }
        Ok(())
    }
}
