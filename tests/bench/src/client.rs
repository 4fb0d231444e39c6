//! A small client of any server of the API: one connection kept, JSON, HTTP/1.1.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use futures::{AsyncBufReadExt as _, Stream, StreamExt as _, TryStreamExt as _};
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;

/// A server to ask.
pub(crate) struct Client(kube::Client);

impl Client {
    pub(crate) async fn of_kubeconfig(path: &Path) -> Result<Self> {
        let kubeconfig = Kubeconfig::read_from(path)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Self(kube::Client::try_from(config)?))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let request = http::Request::get(path).body(Vec::new())?;
        self.0.request(request).await.with_context(|| path.to_owned())
    }

    pub(crate) async fn post(&self, path: &str, object: &Value) -> Result<Value> {
        let request = http::Request::post(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(object.to_string().into_bytes())?;
        self.0.request(request).await.with_context(|| path.to_owned())
    }

    /// Reads the first `count` events.
    pub(crate) async fn watch(&self, path: &str, count: usize) -> Result<()> {
        let mut lines = Box::pin(self.lines(path).await?);
        for number in 0..count {
            let line = lines.try_next().await?;
            let line = line.with_context(|| format!("the watch ended after {number} events"))?;
            ensure!(line.contains("\"ADDED\""), "{line}");
        }
        Ok(())
    }

    /// The events of a watch.
    pub(crate) async fn events(&self, path: &str) -> Result<impl Stream<Item = Result<Value>>> {
        let lines = self.lines(path).await?;
        Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
    }

    async fn lines(&self, path: &str) -> Result<impl Stream<Item = std::io::Result<String>>> {
        let request = http::Request::get(path).body(Vec::new())?;
        let body = self.0.request_stream(request).await?;
        Ok(Box::pin(body).lines())
    }
}
