//! The Kubernetes backend: submits the pod of an attempt as it is, and follows it.
//!
//! A pod and a Secret with its assignment are made for each attempt. The steps say for themselves what
//! becomes of them, so that nothing waits for a kubelet; what they cannot say (an image that cannot be
//! pulled, a node that is lost) is read off the pod. The pod is created once the claim is stored, and
//! deleted once the outcome is, or a while after it.
//!
//! Everything made has two labels: the place, by which runners that may adopt each other's attempts find
//! it, and the attempt. A pod of the right name that carries another attempt's annotation is nobody's of
//! ours.

mod actor;
mod assignment;
mod claims;
mod cluster;
mod ending;
mod images;
mod kept;
mod lookup;
mod playing;
mod reasons;
mod refusal;
mod settings;
mod submission;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use tidemill_messages::AttemptKey;
use tidemill_messages::plan::Plan;
use tidemill_pod::ANNOTATION_ATTEMPT;
use tidemill_pod::kubernetes::Delivery;
use tokio::sync::mpsc;
use tokio::time::timeout;

pub use cluster::Cluster;
pub use lookup::ClusterLookup;
pub use settings::Settings;

use super::{Adoption, Backend, Error, Event, Lookup, Play, Playing};
use crate::steps::StepLine;
use actor::{Given, Orders, Patience};
use cluster::place;
use ending::Account;
use playing::Played;
use submission::Wishes;
use watch::Pods;

/// How long one call to the API may take.
const CALL_LIMIT: Duration = Duration::from_secs(20);
/// How long what is discarded has to end by itself.
const DISCARD_GRACE_S: u32 = 1;

/// Plays pods as pods.
pub struct KubernetesBackend {
    shared: Arc<Shared>,
}

/// What all attempts share.
struct Shared {
    settings: Settings,
    delivery: Delivery,
    cluster: Cluster,
    place: String,
    line: StepLine,
    lookup: Arc<dyn Lookup>,
    records: Arc<dyn Lookup>,
    pods: Pods,
    images: images::Images,
    /// Pods of ours by namespace.
    counts: Mutex<HashMap<String, usize>>,
}

/// One pod, while it is counted.
struct Counted {
    shared: Arc<Shared>,
    namespace: String,
}

impl KubernetesBackend {
    /// A backend in `cluster` for runners of `place`, whose steps report over `line`. What pods refer to
    /// is looked up by `lookup`: the cluster's own objects, most likely. `records` has the claims that the planner
    /// made from templates.
    ///
    /// # Errors
    /// [`Error::Place`] without a way for the step binary into pods.
    pub fn new(
        settings: Settings,
        cluster: Cluster,
        place_name: &str,
        line: StepLine,
        lookup: Arc<dyn Lookup>,
        records: Arc<dyn Lookup>,
    ) -> Result<Self, Error> {
        let delivery = settings.delivery.clone().ok_or_else(|| {
            place("bring the step binary into pods")(
                "set runner.kubernetes.delivery to a directory of the nodes (host-path), or to an image (copy, image)",
            )
        })?;
        let pods = Pods::watch(&cluster, &settings.namespaces, &submission::place_selector(place_name));
        Ok(Self {
            shared: Arc::new(Shared {
                settings,
                delivery,
                cluster,
                place: place_name.to_owned(),
                line,
                lookup,
                records,
                pods,
                images: images::Images::default(),
                counts: Mutex::default(),
            }),
        })
    }

    /// Namespaces to look through; `None` is all of them.
    fn namespaces(&self) -> Vec<Option<String>> {
        match &self.shared.settings.namespaces[..] {
            [] => vec![None],
            some => some.iter().cloned().map(Some).collect(),
        }
    }

    /// Listens, follows, and makes the attempt's account: before anything of it is in the cluster.
    async fn given(
        &self,
        play: &Play,
        plan: Plan,
        events: mpsc::Sender<Event>,
    ) -> Result<(Given, tokio::sync::watch::Sender<Orders>), Error> {
        let shared = &self.shared;
        let (namespace, pod) = name_of(&play.pod);
        let (sender, orders) = tokio::sync::watch::channel(Orders::default());
        let given = Given {
            key: play.key.clone(),
            reports: shared.line.listen(&play.key).await?,
            followed: shared.pods.follow(&namespace, &pod),
            namespace,
            pod,
            cluster: shared.cluster.clone(),
            line: shared.line.clone(),
            events,
            orders,
            account: Account::new(&play.pod, plan),
            gated: assignment::is_gated(&play.pod),
            patience: shared.patience(),
        };
        Ok((given, sender))
    }
}

impl Shared {
    fn patience(&self) -> Patience {
        let settings = &self.settings;
        Patience {
            unschedulable: settings.unschedulable.duration(),
            unready: settings.unready.duration(),
            node_lost: settings.node_lost.duration(),
            kill: settings.kill_patience.duration(),
        }
    }

    fn count(self: &Arc<Self>, namespace: &str) -> Counted {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(namespace.to_owned()).or_default() += 1;
        Counted {
            shared: Arc::clone(self),
            namespace: namespace.to_owned(),
        }
    }

    fn counted(&self, namespace: &str) -> usize {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(namespace).copied().unwrap_or(0)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.namespace) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.namespace);
            }
        }
    }
}

#[async_trait]
impl Backend for KubernetesBackend {
    fn class(&self) -> &str {
        "kubernetes"
    }

    fn remembers_starts(&self) -> bool {
        false
    }

    async fn prepare(&self, play: Play, events: mpsc::Sender<Event>) -> Result<Box<dyn Playing>, Error> {
        let shared = &self.shared;
        let plan = plan_of(&play.pod)?;
        let (namespace, _) = name_of(&play.pod);
        let mut pod = (*play.pod).clone();
        images::complete(shared, &mut pod, &plan, &play.command.service_account_name).await?;
        let gathered = assignment::gather(shared, &play, &pod, plan.clone());
        let one_node_claims = claims::provide(shared, &namespace, &pod);
        let ((given, orders), assignment, one_node_claims) =
            tokio::try_join!(self.given(&play, plan, events), gathered, one_node_claims)?;
        let wishes = Wishes {
            place: &shared.place,
            delivery: &shared.delivery,
            owner_references: shared.settings.owner_references,
            one_node_claims: &one_node_claims,
        };
        let submitted = submission::of(&pod, &assignment, &wishes)?;
        match timeout(CALL_LIMIT, shared.cluster.put_secret(&submitted.secret)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(refusal::of(&given.pod, error)),
            Err(late) => return Err(place("create a Secret")(late)),
        }
        let played = Played::prepared(Arc::clone(shared), submitted.pod, given, orders);
        Ok(Box::new(played))
    }

    async fn adopt(&self, play: Play, events: mpsc::Sender<Event>) -> Result<Adoption, Error> {
        let (namespace, name) = name_of(&play.pod);
        // Listening comes first: a step that asks meanwhile is heard, and what becomes of the pod is seen.
        let (given, orders) = self.given(&play, plan_of(&play.pod)?, events).await?;
        let found = self.shared.cluster.pod(&namespace, &name).await?;
        match found.filter(|found| playing::is_same(&play.pod, found)) {
            Some(found) => {
                given.followed.note(found);
                let played = Played::found(Arc::clone(&self.shared), given, orders);
                Ok(Adoption::Playing(Box::new(played)))
            }
            None => {
                self.discard(&play.key).await?;
                Ok(Adoption::NotStarted)
            }
        }
    }

    async fn found(&self) -> Result<Vec<AttemptKey>, Error> {
        let selector = submission::place_selector(&self.shared.place);
        let mut keys = Vec::new();
        for namespace in self.namespaces() {
            let (pods, secrets) = self.shared.cluster.labelled(namespace.as_deref(), &selector).await?;
            let metas = pods.into_iter().map(|pod| pod.metadata);
            let metas = metas.chain(secrets.into_iter().map(|secret| secret.metadata));
            claims::sweep(&self.shared, namespace.as_deref()).await?;
            keys.extend(metas.filter_map(|meta| key_of(meta.annotations?.get(ANNOTATION_ATTEMPT)?)));
        }
        keys.sort();
        keys.dedup();
        Ok(keys)
    }

    async fn kept(&self) -> Result<Vec<AttemptKey>, Error> {
        self.shared.keep_some(self.namespaces()).await
    }

    async fn forget(&self, key: &AttemptKey) -> Result<(), Error> {
        self.shared.forget(self.namespaces(), key).await
    }

    async fn discard(&self, key: &AttemptKey) -> Result<(), Error> {
        let cluster = &self.shared.cluster;
        let selector = submission::attempt_selector(&self.shared.place, key);
        for namespace in self.namespaces() {
            let (pods, secrets) = cluster.labelled(namespace.as_deref(), &selector).await?;
            let names = |meta: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta| {
                (meta.namespace.unwrap_or_default(), meta.name.unwrap_or_default())
            };
            let pods = pods
                .into_iter()
                .map(|pod| names(pod.metadata))
                .map(|(namespace, name)| async move { cluster.remove_pod(&namespace, &name, DISCARD_GRACE_S).await });
            try_join_all(pods).await?;
            let secrets = secrets
                .into_iter()
                .map(|secret| names(secret.metadata))
                .map(|(namespace, name)| async move { cluster.delete_secret(&namespace, &name).await });
            try_join_all(secrets).await?;
        }
        Ok(())
    }
}

fn plan_of(pod: &Pod) -> Result<Plan, Error> {
    let plan = Plan::of(pod).ok().flatten();
    plan.ok_or_else(|| Error::Task {
        reason: refusal::CREATION.to_owned(),
        message: "the pod holds no plan".to_owned(),
    })
}

fn name_of(pod: &Pod) -> (String, String) {
    let meta = &pod.metadata;
    (
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}

/// `<run uid>/<task>/<attempt>`; neither part holds a slash.
fn key_of(text: &str) -> Option<AttemptKey> {
    let mut parts = text.split('/');
    let key = AttemptKey::new(parts.next()?, parts.next()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(key)
}
