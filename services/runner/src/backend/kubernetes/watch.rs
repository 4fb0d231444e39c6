//! One watch of all pods of this place, for everybody who plays one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, WatchEvent, WatchParams};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::cluster::{Cluster, call, place};
use crate::backend::Error;

/// Pause after a watch that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// What is known of a pod.
#[derive(Clone, Debug, Default)]
pub(super) enum Seen {
    /// Nothing was heard of it yet.
    #[default]
    Unknown,
    /// So it was the last time.
    There(Arc<Pod>),
    /// It was there and is not any more.
    Gone,
}

type Table = HashMap<(String, String), watch::Sender<Seen>>;

/// Pods that somebody plays, by namespace and name. The watches end when the last of its clones goes.
#[derive(Clone)]
pub(super) struct Pods {
    shared: Arc<Shared>,
}

struct Shared {
    table: Mutex<Table>,
    stop: CancellationToken,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Pods {
    /// Watches the pods with this label in these namespaces; in all when there are none.
    pub(super) fn watch(cluster: &Cluster, namespaces: &[String], selector: &str) -> Self {
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            table: Mutex::default(),
            stop: stop.clone(),
        });
        let everywhere = vec![None];
        let watched: Vec<Option<String>> = namespaces.iter().cloned().map(Some).collect();
        for namespace in if watched.is_empty() { everywhere } else { watched } {
            let watcher = Watcher {
                cluster: cluster.clone(),
                namespace,
                selector: selector.to_owned(),
                shared: Arc::downgrade(&shared),
            };
            let stop = stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled(watcher.run()).await });
        }
        Self { shared }
    }

    /// What becomes of this pod from here on.
    pub(super) fn follow(&self, namespace: &str, name: &str) -> Followed {
        let key = (namespace.to_owned(), name.to_owned());
        let sender = watch::Sender::new(Seen::Unknown);
        let seen = sender.subscribe();
        self.shared.lock().insert(key.clone(), sender);
        Followed {
            pods: self.clone(),
            key,
            seen,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells who follows the pod, unless something newer of the same pod was told before: a call of one's
    /// own and the watch may overtake each other.
    fn tell(&self, key: &(String, String), told: Seen) {
        if let Some(sender) = self.lock().get(key) {
            sender.send_if_modified(|seen| {
                let is_old = matches!((&*seen, &told), (Seen::There(known), Seen::There(pod)) if is_later(known, pod));
                if !is_old {
                    *seen = told;
                }
                !is_old
            });
        }
    }
}

/// A pod that is followed, until this is dropped.
pub(super) struct Followed {
    pods: Pods,
    key: (String, String),
    seen: watch::Receiver<Seen>,
}

impl Followed {
    /// What is known now.
    pub(super) fn seen(&mut self) -> Seen {
        self.seen.borrow_and_update().clone()
    }

    /// Notes what a call of one's own has shown.
    pub(super) fn note(&self, pod: Pod) {
        self.pods.shared.tell(&self.key, Seen::There(Arc::new(pod)));
    }

    /// Returns when there is something new.
    pub(super) async fn changed(&mut self) {
        if self.seen.changed().await.is_err() {
            // Somebody else follows it now: nothing more comes here.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let mut table = self.pods.shared.lock();
        // A later follower of the same name stays.
        if table.get(&self.key).is_some_and(|sender| sender.receiver_count() <= 1) {
            table.remove(&self.key);
        }
    }
}

struct Watcher {
    cluster: Cluster,
    namespace: Option<String>,
    selector: String,
    shared: std::sync::Weak<Shared>,
}

impl Watcher {
    async fn run(self) {
        loop {
            if let Err(error) = self.once().await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error = %tidemill_telemetry::Chain(error), "The watch of the pods broke; it is made anew.");
                sleep(PAUSE).await;
            }
            if self.shared.strong_count() == 0 {
                return;
            }
        }
    }

    /// Lists, then watches until the server ends the watch.
    async fn once(&self) -> Result<(), Error> {
        let pods = self.cluster.pods_of(self.namespace.as_deref());
        let listed = call("list pods", pods.list(&ListParams::default().labels(&self.selector))).await?;
        let mut version = listed.metadata.resource_version.clone().unwrap_or_default();
        self.listed(listed.items, &version);
        loop {
            let parameters = WatchParams::default().labels(&self.selector);
            let events = call("watch pods", pods.watch(&parameters, &version)).await?;
            let mut events = events.boxed();
            while let Some(event) = events.try_next().await.map_err(place("watch pods"))? {
                match event {
                    WatchEvent::Added(pod) | WatchEvent::Modified(pod) => {
                        version = pod.metadata.resource_version.clone().unwrap_or(version);
                        self.tell(pod, false);
                    }
                    WatchEvent::Deleted(pod) => {
                        version = pod.metadata.resource_version.clone().unwrap_or(version);
                        self.tell(pod, true);
                    }
                    WatchEvent::Bookmark(mark) => version = mark.metadata.resource_version,
                    // Most likely the version is too old: everything is listed again.
                    WatchEvent::Error(status) if status.code == 410 => return Ok(()),
                    WatchEvent::Error(status) => return Err(place("watch pods")(status.message)),
                }
            }
        }
    }

    /// A list tells also what is not there any more.
    fn listed(&self, pods: Vec<Pod>, version: &str) {
        let Some(shared) = self.shared.upgrade() else { return };
        let here = |namespace: &str| self.namespace.as_deref().is_none_or(|own| own == namespace);
        let known: Vec<(String, String)> = shared
            .lock()
            .keys()
            .filter(|(namespace, _)| here(namespace))
            .cloned()
            .collect();
        let found: Vec<(String, String)> = pods.iter().map(key).collect();
        for key in known.iter().filter(|key| !found.contains(key)) {
            let mut table = shared.lock();
            if let Some(sender) = table.get_mut(key) {
                // One that was just created may be missing in a list that is older.
                sender.send_if_modified(|seen| {
                    let was_there = matches!(seen, Seen::There(pod) if !is_newer(pod, version));
                    if was_there {
                        *seen = Seen::Gone;
                    }
                    was_there
                });
            }
        }
        drop(shared);
        pods.into_iter().for_each(|pod| self.tell(pod, false));
    }

    fn tell(&self, pod: Pod, gone: bool) {
        let key = key(&pod);
        let seen = if gone { Seen::Gone } else { Seen::There(Arc::new(pod)) };
        if let Some(shared) = self.shared.upgrade() {
            shared.tell(&key, seen);
        }
    }
}

/// Whether both are the same pod, and `known` was written after `other` was.
fn is_later(known: &Pod, other: &Pod) -> bool {
    let version = other.metadata.resource_version.as_deref().unwrap_or_default();
    known.metadata.uid == other.metadata.uid && is_newer(known, version)
}

/// Whether the pod was written after the list was. Versions are numbers that grow.
fn is_newer(pod: &Pod, list: &str) -> bool {
    let own = pod
        .metadata
        .resource_version
        .as_deref()
        .and_then(|own| own.parse::<u64>().ok());
    own.zip(list.parse::<u64>().ok()).is_some_and(|(own, list)| own > list)
}

fn key(pod: &Pod) -> (String, String) {
    let meta = &pod.metadata;
    (
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(uid: &str, version: &str) -> Pod {
        let meta = json!({"namespace": "shop", "name": "p", "uid": uid, "resourceVersion": version});
        serde_json::from_value(json!({ "metadata": meta })).unwrap()
    }

    /// A pod that no node takes may be said to be so before the answer to its creation is read.
    #[test]
    fn the_answer_to_a_creation_does_not_hide_what_the_watch_has_told_since() {
        let shared = Arc::new(Shared {
            table: Mutex::default(),
            stop: CancellationToken::new(),
        });
        let pods = Pods { shared };
        let mut followed = pods.follow("shop", "p");
        let mut version_after = |told: Pod, noted: Pod| {
            pods.shared.tell(&key(&told), Seen::There(Arc::new(told)));
            followed.note(noted);
            match followed.seen() {
                Seen::There(pod) => pod.metadata.resource_version.clone(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(version_after(pod("a", "10"), pod("a", "9")).as_deref(), Some("10"));
        assert_eq!(version_after(pod("a", "9"), pod("a", "10")).as_deref(), Some("10"));
        let made_anew = version_after(pod("before", "10"), pod("a", "9"));
        assert_eq!(made_anew.as_deref(), Some("9"), "of another pod of the name");
    }
}
