//! Watching the records: list, then watch, again and again. What was missed in between is seen in
//! the list.

use std::collections::HashMap;
use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use tidemill_telemetry::Chain;

use crate::Error;
use crate::deployer::Deployer;
use crate::record::{self, Head};
use crate::retry::until_done;

/// Records listed at a time.
const PAGE_LENGTH: u32 = 500;
/// How long one watch lasts before the next.
const WATCH_SECONDS: u32 = 240;
/// A watch in which nothing happens for so long, not even its end, is dead.
const IDLE_LIMIT: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 15);
/// How long to wait before a watch that failed is begun anew.
const PAUSE: Duration = Duration::from_millis(500);
/// The subject of all namespaces together.
const ALL: &str = "*";

/// The records of one namespace (`None`: of all) and what is known of them.
pub(crate) struct Watch<'a> {
    deployer: &'a Deployer,
    namespace: Option<String>,
    api: Api<Secret>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(deployer: &'a Deployer, namespace: Option<String>) -> Self {
        let api = deployer.cluster.records(namespace.as_deref());
        Self {
            deployer,
            namespace,
            api,
        }
    }

    /// Watches until the deployer stops.
    pub(crate) async fn run(self) -> Result<(), Error> {
        let stopping = &self.deployer.stopping;
        let mut since = None;
        loop {
            let (heads, version) = until_done(stopping, || self.list()).await?;
            let since = match &since {
                Some(since) => since,
                None => {
                    let namespace = self.namespace.as_deref().unwrap_or(ALL);
                    let first =
                        until_done(stopping, || self.deployer.ledger.watched_since(namespace, &version)).await?;
                    since.insert(first)
                }
            };
            self.compare(&heads, since).await?;
            match self.follow(&version, since).await {
                Ok(()) => {}
                Err(error) if error.is_transient() => {
                    tracing::warn!(error = %Chain(&error), "The releases are listed anew.");
                    tokio::select! {
                        () = stopping.cancelled() => return Err(Error::Stopping),
                        () = tokio::time::sleep(PAUSE) => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// All records and the version of the list.
    async fn list(&self) -> Result<(Vec<Head>, String), Error> {
        let mut params = ListParams::default().labels(record::SELECTOR).limit(PAGE_LENGTH);
        let (mut heads, mut version) = (Vec::new(), String::new());
        loop {
            let page = self
                .api
                .list_metadata(&params)
                .await
                .map_err(Error::cluster(self.called("list")))?;
            heads.extend(page.items.iter().filter_map(|one| Head::read(&one.metadata)));
            if version.is_empty() {
                version = page.metadata.resource_version.unwrap_or_default();
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok((heads, version)),
            }
        }
    }

    fn called(&self, verb: &str) -> String {
        match &self.namespace {
            Some(namespace) => format!("{verb} the releases in namespace {namespace:?}"),
            None => format!("{verb} the releases of all namespaces"),
        }
    }

    /// Says what the list shows and was not said: also what is gone.
    async fn compare(&self, heads: &[Head], since: &str) -> Result<(), Error> {
        let mut ordered: Vec<&Head> = heads.iter().collect();
        ordered.sort_by_key(|head| (head.revision, head.modified));
        let there: HashMap<&str, &Head> = heads.iter().map(|head| (head.uid.as_str(), head)).collect();
        self.deployer.current.replace(self.namespace.as_deref(), heads);
        for (release, revision, said) in self.deployer.ledger.last_of_each() {
            let is_ours = self
                .namespace
                .as_ref()
                .is_none_or(|namespace| *namespace == release.namespace);
            if is_ours && !there.contains_key(said.uid.as_str()) {
                self.deployer.removed(release, revision, said.uid).await?;
            }
        }
        for head in ordered {
            self.deployer.observe(head, since).await?;
        }
        Ok(())
    }

    async fn follow(&self, version: &str, since: &str) -> Result<(), Error> {
        let params = WatchParams::default().labels(record::SELECTOR).timeout(WATCH_SECONDS);
        let mut version = version.to_owned();
        loop {
            let fail = || Error::cluster(self.called("watch"));
            let stream = self.api.watch_metadata(&params, &version).await.map_err(fail())?;
            let mut stream = std::pin::pin!(stream);
            loop {
                let next = tokio::select! {
                    () = self.deployer.stopping.cancelled() => return Err(Error::Stopping),
                    next = tokio::time::timeout(IDLE_LIMIT, stream.try_next()) => match next {
                        Ok(next) => next.map_err(fail())?,
                        Err(_) => None,
                    },
                };
                match next {
                    None => break,
                    Some(WatchEvent::Bookmark(bookmark)) => version = bookmark.metadata.resource_version,
                    Some(WatchEvent::Error(status)) => return Err(fail()(kube::Error::Api(status))),
                    Some(WatchEvent::Added(one) | WatchEvent::Modified(one)) => {
                        version = one.metadata.resource_version.clone().unwrap_or(version);
                        if let Some(head) = Head::read(&one.metadata) {
                            self.deployer.current.insert(&head);
                            self.deployer.observe(&head, since).await?;
                        }
                    }
                    Some(WatchEvent::Deleted(one)) => {
                        version = one.metadata.resource_version.clone().unwrap_or(version);
                        if let Some(head) = Head::read(&one.metadata) {
                            self.deployer.current.remove(&head);
                            self.deployer.removed(head.release, head.revision, head.uid).await?;
                        }
                    }
                }
            }
        }
    }
}
