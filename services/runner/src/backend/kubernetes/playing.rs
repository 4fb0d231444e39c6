//! An attempt in the hands of this backend: prepared, then a pod that is followed.

use std::sync::Arc;
use std::time::Duration;

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
use super::kept::is_kept;
use super::refusal;
use super::submission::secret_name;
use super::{CALL_LIMIT, Shared};
use crate::backend::{Error, Playing};

/// Pause before a pod is tried again for which the quota has no room, while pods of ours may free some.
const QUOTA_PAUSE: Duration = Duration::from_millis(500);

/// How long a pod of the same name may take to go that is being deleted: its grace period and some more.
const LEAVING_MAX: Duration = Duration::from_secs(60);
/// How often such a pod is looked at. It may be another place's, which the watch does not tell of.
const LEAVING_PAUSE: Duration = Duration::from_millis(250);

/// One attempt.
pub(super) struct Played {
    shared: Arc<Shared>,
    namespace: String,
    name: String,
    secret: String,
    /// What is to be created; `None` once that was tried.
    pod: Option<Box<Pod>>,
    /// Whether a pod of ours may be in the cluster.
    may_be_there: bool,
    orders: watch::Sender<Orders>,
    /// Before the pod is there: what its actor is made of.
    given: Option<Box<Given>>,
    /// Gives whether the steps told their end themselves.
    actor: Option<AbortOnDropHandle<bool>>,
    /// How long the pod may stay after such an end.
    keep: Duration,
    /// Counts among the pods of its namespace.
    _counted: Option<super::Counted>,
}

impl Played {
    /// Prepared: nothing of it is in the cluster but its Secret.
    pub(super) fn prepared(shared: Arc<Shared>, pod: Pod, given: Given, orders: watch::Sender<Orders>) -> Self {
        Self::new(shared, Some(Box::new(pod)), given, orders)
    }

    /// Its pod is there.
    pub(super) fn found(shared: Arc<Shared>, given: Given, orders: watch::Sender<Orders>) -> Self {
        let mut played = Self::new(shared, None, given, orders);
        played.may_be_there = true;
        played._counted = Some(played.shared.count(&played.namespace));
        played.follow();
        played
    }

    fn new(shared: Arc<Shared>, pod: Option<Box<Pod>>, given: Given, orders: watch::Sender<Orders>) -> Self {
        Self {
            namespace: given.namespace.clone(),
            name: given.pod.clone(),
            secret: secret_name(&given.pod, &given.key),
            pod,
            may_be_there: false,
            keep: keep(&shared, &given),
            orders,
            given: Some(Box::new(given)),
            actor: None,
            shared,
            _counted: None,
        }
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
        let gone_by = Instant::now() + LEAVING_MAX;
        loop {
            let created = timeout(CALL_LIMIT, pods.create(&PostParams::default(), pod)).await;
            let error = match created {
                Ok(Ok(created)) => return Ok(created),
                Ok(Err(error)) => error,
                Err(late) => {
                    let found = self.shared.cluster.pod(&self.namespace, &self.name).await?;
                    return self.ours_or(pod, found, place(format!("create pod {}", self.name))(late));
                }
            };
            let is_taken = super::cluster::code(&error) == Some(409);
            if is_taken || refusal::is_unclear(&error) {
                let found = self.shared.cluster.pod(&self.namespace, &self.name).await?;
                if let Some(kept) = found.as_ref().filter(|found| is_kept(found) && !is_same(pod, found))
                    && kept.metadata.deletion_timestamp.is_none()
                {
                    self.shared.cluster.delete_pod(&self.namespace, &self.name, 0).await?;
                    continue;
                }
                if is_taken && Instant::now() < gone_by && is_leaving(pod, found.as_ref()) {
                    sleep(LEAVING_PAUSE).await;
                    continue;
                }
                return self.ours_or(pod, found, refusal::of(&self.name, error));
            }
            if refusal::is_quota(&error) && self.shared.make_room(&self.namespace).await? {
                continue;
            }
            // Pods of ours that end make room: only then is it worth while to wait.
            let others = self.shared.counted(&self.namespace) > 0;
            if !refusal::is_quota(&error) || !others || Instant::now() >= until {
                return Err(refusal::of(&self.name, error));
            }
            sleep(QUOTA_PAUSE).await;
        }
    }

    /// The pod found under the name, if it is ours; `error` if there is none.
    fn ours_or(&self, wanted: &Pod, found: Option<Pod>, error: Error) -> Result<Pod, Error> {
        match found {
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

/// How long the pod of an attempt may stay. Sidecars would run on.
fn keep(shared: &Shared, given: &Given) -> Duration {
    match given.account.has_sidecars() {
        true => Duration::ZERO,
        false => shared.settings.keep_pods.duration(),
    }
}

/// Whether the pod found is another's and is being deleted, or is gone already: as that of a run that was
/// deleted a moment ago.
fn is_leaving(wanted: &Pod, found: Option<&Pod>) -> bool {
    found.is_none_or(|found| found.metadata.deletion_timestamp.is_some() && !is_same(wanted, found))
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
        self.may_be_there = true;
        let created = self.create(&pod).await.inspect_err(|error| {
            // Refused: what may lie under the name is somebody else's.
            self.may_be_there = !matches!(error, Error::Task { .. });
        })?;
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
        let mut told = false;
        if let Some(actor) = self.actor.take() {
            // It answers the steps and ends; one that cannot is ended.
            told = matches!(timeout(CALL_LIMIT, actor).await, Ok(Ok(true)));
        }
        let cluster = &self.shared.cluster;
        let pod = async {
            match self.may_be_there {
                true if told && !self.keep.is_zero() => self.shared.keep(&self.namespace, &self.name, self.keep).await,
                true => cluster.delete_pod(&self.namespace, &self.name, 0).await,
                false => Ok(()),
            }
        };
        let secret = &self.secret;
        let (pod, secret) = tokio::join!(pod, cluster.delete_secret(&self.namespace, secret));
        pod.and(secret)
    }

    async fn release(self: Box<Self>) {
        drop(self);
    }
}
