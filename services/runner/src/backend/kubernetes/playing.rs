//! An attempt in the hands of this backend: prepared, then a pod that is followed.

use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use tidemill_messages::CancelReason;
use tidemill_pod::ANNOTATION_ATTEMPT;
use tidemill_resources::names::LABEL_TASK_RUN_UID;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::actor::{Actor, Given, Orders};
use super::cluster::place;
use super::refusal;
use super::submission::secret_name;
use super::{CALL_LIMIT, Shared};
use crate::backend::{Error, Playing};

/// Pause before a pod is tried again for which the quota has no room, while pods of ours may free some.
const QUOTA_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// One attempt.
pub(super) struct Played {
    shared: Arc<Shared>,
    namespace: String,
    name: String,
    /// What is to be created; `None` once it is.
    pod: Option<Box<Pod>>,
    orders: watch::Sender<Orders>,
    /// Before the pod is there: what its actor is made of.
    given: Option<Box<Given>>,
    actor: Option<AbortOnDropHandle<()>>,
    /// Counts among the pods of its namespace.
    _counted: Option<super::Counted>,
}

impl Played {
    /// Prepared: nothing of it is in the cluster but its Secret.
    pub(super) fn prepared(shared: Arc<Shared>, pod: Pod, given: Given, orders: watch::Sender<Orders>) -> Self {
        Self {
            shared,
            namespace: given.namespace.clone(),
            name: given.pod.clone(),
            pod: Some(Box::new(pod)),
            orders,
            given: Some(Box::new(given)),
            actor: None,
            _counted: None,
        }
    }

    /// Its pod is there.
    pub(super) fn found(shared: Arc<Shared>, given: Given, orders: watch::Sender<Orders>) -> Self {
        let counted = shared.count(&given.namespace);
        let mut played = Self {
            shared,
            namespace: given.namespace.clone(),
            name: given.pod.clone(),
            pod: None,
            orders,
            given: Some(Box::new(given)),
            actor: None,
            _counted: Some(counted),
        };
        played.follow();
        played
    }

    fn follow(&mut self) {
        if let Some(given) = self.given.take() {
            self.actor = Some(AbortOnDropHandle::new(tokio::spawn(Actor::new(*given).run())));
        }
    }

    /// Creates the pod. One that is there is ours only if TaskRun and attempt match (R5).
    async fn create(&mut self, pod: &Pod) -> Result<Pod, Error> {
        let pods = self.shared.cluster.pods(&self.namespace);
        let until = Instant::now() + self.shared.settings.unschedulable.duration();
        loop {
            let created = timeout(CALL_LIMIT, pods.create(&PostParams::default(), pod)).await;
            let error = match created {
                Ok(Ok(created)) => return Ok(created),
                Ok(Err(error)) => error,
                Err(late) => {
                    return self
                        .found_or(pod, place(format!("create pod {}", self.name))(late))
                        .await;
                }
            };
            if super::cluster::code(&error) == Some(409) || refusal::is_unclear(&error) {
                let refused = refusal::of(&self.name, error);
                return self.found_or(pod, refused).await;
            }
            // Pods of ours that end make room: only then is it worth while to wait.
            let others = self.shared.counted(&self.namespace) > 0;
            if !refusal::is_quota(&error) || !others || Instant::now() >= until {
                return Err(refusal::of(&self.name, error));
            }
            sleep(QUOTA_PAUSE).await;
        }
    }

    async fn found_or(&mut self, wanted: &Pod, error: Error) -> Result<Pod, Error> {
        match self.shared.cluster.pod(&self.namespace, &self.name).await? {
            Some(found) if is_same(wanted, &found) => Ok(found),
            Some(_) => Err(Error::Task {
                reason: refusal::CREATION.to_owned(),
                message: format!(
                    "a pod named {:?} exists in namespace {:?} and plays something else; delete it, or give the run \
                     another name",
                    self.name, self.namespace
                ),
            }),
            None => Err(error),
        }
    }
}

/// Whether both play the same attempt of the same TaskRun.
pub(super) fn is_same(wanted: &Pod, found: &Pod) -> bool {
    let key = |pod: &Pod| {
        let meta = &pod.metadata;
        let annotation = meta.annotations.as_ref()?.get(ANNOTATION_ATTEMPT)?.clone();
        Some((annotation, meta.labels.as_ref()?.get(LABEL_TASK_RUN_UID)?.clone()))
    };
    key(wanted).is_some() && key(wanted) == key(found)
}

#[async_trait]
impl Playing for Played {
    async fn start(&mut self) -> Result<(), Error> {
        let Some(pod) = self.pod.take() else { return Ok(()) };
        let created = self.create(&pod).await?;
        self._counted = Some(self.shared.count(&self.namespace));
        if let Some(given) = &self.given {
            given.followed.note(created);
        }
        self.follow();
        Ok(())
    }

    async fn stored(&mut self, sequence: u64) {
        self.orders.send_modify(|orders| orders.stored = sequence);
    }

    async fn kill(&mut self, reason: CancelReason) {
        self.orders.send_modify(|orders| orders.kill = Some(reason));
    }

    async fn remove(mut self: Box<Self>) -> Result<(), Error> {
        self.orders.send_modify(|orders| orders.leave = true);
        if let Some(actor) = self.actor.take() {
            // It answers the steps and ends; one that cannot is ended.
            drop(timeout(CALL_LIMIT, actor).await);
        }
        let cluster = &self.shared.cluster;
        let was_created = self.pod.is_none();
        let pod = async {
            match was_created {
                true => cluster.delete_pod(&self.namespace, &self.name, 0).await,
                false => Ok(()),
            }
        };
        let secret = secret_name(&self.name);
        let (pod, secret) = tokio::join!(pod, cluster.delete_secret(&self.namespace, &secret));
        pod.and(secret)
    }

    async fn release(self: Box<Self>) {
        drop(self);
    }
}
