//! Pods of tasks that have ended, kept for a while: a kubelet has the logs of a pod only as long as it is there, and
//! that is where `kubectl logs` and `tkn` look.
//!
//! A kept pod has another label instead of the place's, so that nothing here that follows pods, adopts or
//! counts them sees it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ListParams, PartialObjectMeta, Patch, PatchParams};
use serde_json::json;
use tidemill_messages::AttemptKey;
use tidemill_pod::ANNOTATION_ATTEMPT;

use super::cluster::{call, gone};
use super::submission::{LABEL_PLACE, attempt_label, kept_label, selector};
use super::{Shared, key_of};
use crate::backend::Error;

/// When a kept pod is deleted.
const ANNOTATION_UNTIL: &str = "tidemill.dev/kept-until";

/// Whether a pod is kept: its task has ended.
pub(super) fn is_kept(pod: &Pod) -> bool {
    let annotations = pod.metadata.annotations.as_ref();
    annotations.is_some_and(|annotations| annotations.contains_key(ANNOTATION_UNTIL))
}

impl Shared {
    /// Keeps a pod from now on; one that is gone already counts as kept.
    pub(super) async fn keep(&self, namespace: &str, name: &str, span: Duration) -> Result<(), Error> {
        let until = Timestamp::now().saturating_add(span).unwrap_or(Timestamp::MAX);
        let (label, value) = kept_label(&self.place);
        let change = json!({"metadata": {
            "labels": {LABEL_PLACE: null, label: value},
            "annotations": {ANNOTATION_UNTIL: until.to_string()},
        }});
        let pods = self.cluster.pods(namespace);
        let (parameters, change) = (PatchParams::default(), Patch::Merge(&change));
        gone(call("keep a pod", pods.patch_metadata(name, &parameters, &change)).await)
    }

    /// Deletes what was kept for long enough and what is beyond the limit, the oldest first; gives the
    /// attempts of the rest.
    pub(super) async fn keep_some(&self, namespaces: Vec<Option<String>>) -> Result<Vec<AttemptKey>, Error> {
        let mut kept = Vec::new();
        for namespace in namespaces {
            kept.extend(self.kept(namespace.as_deref(), None).await?);
        }
        kept.sort_by_key(|pod| std::cmp::Reverse(until(&pod.metadata)));
        let (now, max) = (Timestamp::now(), self.settings.kept_pods_max);
        let mut keys = Vec::new();
        for (position, pod) in kept.into_iter().enumerate() {
            if position >= max || until(&pod.metadata) <= now {
                self.delete_kept(&pod.metadata).await?;
            } else {
                let annotations = pod.metadata.annotations.unwrap_or_default();
                keys.extend(annotations.get(ANNOTATION_ATTEMPT).and_then(|key| key_of(key)));
            }
        }
        Ok(keys)
    }

    /// Deletes what is kept of an attempt.
    pub(super) async fn forget(&self, namespaces: Vec<Option<String>>, key: &AttemptKey) -> Result<(), Error> {
        for namespace in namespaces {
            for pod in self.kept(namespace.as_deref(), Some(key)).await? {
                self.delete_kept(&pod.metadata).await?;
            }
        }
        Ok(())
    }

    /// Deletes the pod of a namespace that is kept the longest; whether there was one.
    pub(super) async fn make_room(&self, namespace: &str) -> Result<bool, Error> {
        let kept = self.kept(Some(namespace), None).await?;
        match kept.iter().min_by_key(|pod| until(&pod.metadata)) {
            Some(oldest) => self.delete_kept(&oldest.metadata).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn kept(
        &self,
        namespace: Option<&str>,
        key: Option<&AttemptKey>,
    ) -> Result<Vec<PartialObjectMeta<Pod>>, Error> {
        let labels = [Some(kept_label(&self.place)), key.map(attempt_label)];
        let listed = ListParams::default().labels(&selector(labels.into_iter().flatten()));
        let pods = self.cluster.pods_of(namespace);
        Ok(call("list kept pods", pods.list_metadata(&listed)).await?.items)
    }

    async fn delete_kept(&self, meta: &ObjectMeta) -> Result<(), Error> {
        let name = |text: &Option<String>| text.clone().unwrap_or_default();
        self.cluster
            .delete_pod(&name(&meta.namespace), &name(&meta.name), 0)
            .await
    }
}

/// Until when a pod is kept; one that cannot tell is not.
fn until(meta: &ObjectMeta) -> Timestamp {
    let text = meta.annotations.as_ref().and_then(|all| all.get(ANNOTATION_UNTIL));
    text.and_then(|text| text.parse().ok()).unwrap_or(Timestamp::MIN)
}
