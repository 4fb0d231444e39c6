//! The cluster's API, as far as pods need it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::{Event, Node, Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams, PartialObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::time::{sleep, timeout};

use super::settings::Settings;
use crate::backend::Error;

/// How long one call to the API may take.
const CALL_LIMIT: Duration = Duration::from_secs(20);
/// Pause between two looks whether a pod is gone.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long a deleted pod may take to go before it is left to the next sweep.
const GONE_LIMIT: Duration = Duration::from_secs(60);

/// A cluster.
#[derive(Clone)]
pub struct Cluster {
    pub(super) client: Client,
    /// Its context in the kubeconfig, for people.
    pub name: Arc<str>,
    /// Where its API is.
    pub address: Arc<str>,
}

impl Cluster {
    /// The cluster the settings name.
    ///
    /// # Errors
    /// [`Error::Place`] when there is none, with why.
    pub async fn find(settings: &Settings) -> Result<Self, Error> {
        let (mut config, name) = config(settings).await?;
        config.connect_timeout = Some(Duration::from_secs(5));
        let address = config.cluster_url.to_string().trim_end_matches('/').into();
        let client = Client::try_from(config).map_err(place("make a client of the cluster"))?;
        Ok(Self {
            client,
            name: name.into(),
            address,
        })
    }

    /// A cluster behind `client`.
    #[must_use]
    pub fn with_client(client: Client, name: &str) -> Self {
        Self {
            client,
            name: name.into(),
            address: "".into(),
        }
    }

    /// The client, for other kinds of objects.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether it answers and lets us do what pods need; its version.
    ///
    /// # Errors
    /// [`Error::Place`] that names what is missing.
    pub async fn probe(&self, namespaces: &[String]) -> Result<String, Error> {
        let version = call("ask for its version", self.client.apiserver_version()).await?;
        let everywhere = [String::new()];
        let namespaces = if namespaces.is_empty() {
            &everywhere[..]
        } else {
            namespaces
        };
        for namespace in namespaces {
            for (verb, resource) in [
                ("create", "pods"),
                ("delete", "pods"),
                ("watch", "pods"),
                ("create", "secrets"),
                ("delete", "secrets"),
            ] {
                self.must_be_allowed(verb, resource, namespace).await?;
            }
        }
        Ok(version.git_version)
    }

    async fn must_be_allowed(&self, verb: &str, resource: &str, namespace: &str) -> Result<(), Error> {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    namespace: Some(namespace.to_owned()),
                    verb: Some(verb.to_owned()),
                    resource: Some(resource.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let reviews: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let answer = call("ask for rights", reviews.create(&PostParams::default(), &review)).await?;
        if answer.status.is_some_and(|status| status.allowed) {
            return Ok(());
        }
        let within = match namespace {
            "" => "in all namespaces (setting runner.kubernetes.namespaces narrows it)".to_owned(),
            namespace => format!("in namespace {namespace}"),
        };
        Err(place("use the cluster")(format!(
            "no right to {verb} {resource} {within}"
        )))
    }

    pub(super) fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(super) fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Pods of one namespace, or of all.
    pub(super) fn pods_of(&self, namespace: Option<&str>) -> Api<Pod> {
        match namespace {
            Some(namespace) => self.pods(namespace),
            None => Api::all(self.client.clone()),
        }
    }

    fn secrets_of(&self, namespace: Option<&str>) -> Api<Secret> {
        match namespace {
            Some(namespace) => self.secrets(namespace),
            None => Api::all(self.client.clone()),
        }
    }

    pub(super) async fn pod(&self, namespace: &str, name: &str) -> Result<Option<Pod>, Error> {
        call("read a pod", self.pods(namespace).get_opt(name)).await
    }

    /// Pods and Secrets by label, without what they hold.
    pub(super) async fn labelled(
        &self,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<(Vec<PartialObjectMeta<Pod>>, Vec<PartialObjectMeta<Secret>>), Error> {
        let listed = ListParams::default().labels(selector);
        let (pods, secrets) = (self.pods_of(namespace), self.secrets_of(namespace));
        let pods = call("list pods", pods.list_metadata(&listed));
        let secrets = call("list Secrets", secrets.list_metadata(&listed));
        let (pods, secrets) = tokio::try_join!(pods, secrets)?;
        Ok((pods.items, secrets.items))
    }

    /// Writes a Secret; one of its name that is there gives way.
    pub(super) async fn put_secret(&self, secret: &Secret) -> Result<(), kube::Error> {
        let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
        let (name, secrets) = (
            secret.metadata.name.as_deref().unwrap_or_default(),
            self.secrets(namespace),
        );
        match secrets.create(&PostParams::default(), secret).await {
            Err(error) if code(&error) == Some(409) => {
                drop(secrets.delete(name, &DeleteParams::default()).await);
                secrets.create(&PostParams::default(), secret).await.map(drop)
            }
            other => other.map(drop),
        }
    }

    /// Deletes a Secret; one that is not there counts as deleted.
    pub(super) async fn delete_secret(&self, namespace: &str, name: &str) -> Result<(), Error> {
        let secrets = self.secrets(namespace);
        gone(call("delete a Secret", secrets.delete(name, &DeleteParams::default())).await)
    }

    /// Deletes a pod; one that is not there counts as deleted. `grace` 0 does not wait for its node.
    pub(super) async fn delete_pod(&self, namespace: &str, name: &str, grace: u32) -> Result<(), Error> {
        let pods = self.pods(namespace);
        let parameters = DeleteParams::default().grace_period(grace);
        gone(call("delete a pod", pods.delete(name, &parameters)).await)
    }

    /// Deletes a pod and waits until it is confirmed gone.
    pub(super) async fn remove_pod(&self, namespace: &str, name: &str, grace: u32) -> Result<(), Error> {
        self.delete_pod(namespace, name, grace).await?;
        let is_gone = async {
            while self.pod(namespace, name).await?.is_some() {
                sleep(LOOK_AGAIN).await;
            }
            Ok(())
        };
        timeout(GONE_LIMIT, is_gone)
            .await
            .unwrap_or_else(|late| Err(place(format!("see pod {namespace}/{name} go"))(late)))
    }

    /// Whether the node is one that the cluster has lost sight of, and since when it says so.
    pub(super) async fn lost_node(&self, name: &str) -> Result<Option<String>, Error> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let Some(node) = call("read a node", nodes.get_opt(name)).await? else {
            return Ok(Some(format!("node {name} is gone")));
        };
        let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
        let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready");
        Ok(ready
            .filter(|ready| ready.status == "Unknown")
            .map(|ready| format!("node {name} is lost: {}", ready.message.unwrap_or_default())))
    }

    /// What the cluster warns of about a pod, the newest first.
    pub(super) async fn warnings(&self, namespace: &str, pod: &str) -> Result<Vec<String>, Error> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let selector = format!("involvedObject.kind=Pod,involvedObject.name={pod},type=Warning");
        let listed = call("list events", events.list(&ListParams::default().fields(&selector))).await?;
        let mut found = listed.items;
        found.sort_by(|a, b| b.last_timestamp.cmp(&a.last_timestamp));
        Ok(found.into_iter().filter_map(|event| event.message).collect())
    }
}

async fn config(settings: &Settings) -> Result<(Config, String), Error> {
    let kubeconfig = match &settings.kubeconfig {
        Some(path) => Kubeconfig::read_from(path).map_err(place(format!("read the kubeconfig {}", path.display())))?,
        None => match Kubeconfig::read() {
            Ok(kubeconfig) => kubeconfig,
            Err(_) if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() => {
                let config = Config::incluster().map_err(place("use the ServiceAccount of this pod"))?;
                return Ok((config, "in-cluster".to_owned()));
            }
            Err(error) => return Err(place("find a cluster")(error)),
        },
    };
    let context = settings.context.clone().or_else(|| kubeconfig.current_context.clone());
    let name = context.clone().unwrap_or_default();
    let options = KubeConfigOptions {
        context,
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    Ok((config.map_err(place("use the kubeconfig"))?, name))
}

/// A call within its limit.
pub(super) async fn call<T>(
    action: &'static str,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Error> {
    let answered = timeout(CALL_LIMIT, call).await;
    match answered {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(place(action)(error)),
        Err(late) => Err(place(action)(late)),
    }
}

/// What is not there counts as dealt with.
pub(super) fn gone<T>(outcome: Result<T, Error>) -> Result<(), Error> {
    match outcome {
        Err(Error::Place { source, .. }) if is_not_found(&*source) => Ok(()),
        other => other.map(drop),
    }
}

fn is_not_found(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    error.downcast_ref::<kube::Error>().and_then(code) == Some(404)
}

/// The HTTP status the API answered with.
pub(super) fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// The place is at fault: it cannot `action`.
pub(super) fn place<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    action: impl Into<String>,
) -> impl FnOnce(E) -> Error {
    let action = action.into();
    move |source| Error::Place {
        action,
        source: source.into(),
    }
}
