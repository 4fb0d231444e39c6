//! What the deployer asks of the cluster.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{ListParams, LogParams, PostParams};
use kube::{Api, Client, Config};
use tidemill_messages::ReleaseName;
use tidemill_telemetry::Chain;

use crate::manifest::{Workload, WorkloadKind};
use crate::readiness::{self, Readiness};
use crate::record::{self, Head, Record};
use crate::{Error, Settings};

/// Pods of one workload that are looked at for a cause.
const PODS_MAX: u32 = 50;
/// What the kubelet answers in place of a log that is gone.
const NO_LOG: &str = "unable to retrieve container logs for ";

/// A cluster.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    default_namespace: String,
    address: String,
}

impl Cluster {
    /// Connects as the settings say; without a kubeconfig there as clients of Kubernetes do.
    ///
    /// # Errors
    /// [`Error::Kubeconfig`], [`Error::Config`], [`Error::Cluster`].
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        let options = kube::config::KubeConfigOptions {
            context: settings.context.clone(),
            ..kube::config::KubeConfigOptions::default()
        };
        let config = match &settings.kubeconfig {
            Some(path) => {
                let kubeconfig = kube::config::Kubeconfig::read_from(path)?;
                Config::from_custom_kubeconfig(kubeconfig, &options).await?
            }
            None if settings.context.is_some() => Config::from_kubeconfig(&options).await?,
            None => Config::infer().await?,
        };
        let (default_namespace, address) = (config.default_namespace.clone(), config.cluster_url.to_string());
        let client = Client::try_from(config).map_err(Error::cluster("be reached"))?;
        Ok(Self {
            address,
            ..Self::new(client, default_namespace)
        })
    }

    /// A cluster behind a client, for tests.
    pub fn new(client: Client, default_namespace: impl Into<String>) -> Self {
        Self {
            client,
            default_namespace: default_namespace.into(),
            address: String::new(),
        }
    }

    /// What is watched, for people.
    pub fn watched(&self, settings: &Settings) -> String {
        let names = self.namespaces(settings).into_iter();
        let names: Vec<String> = names
            .map(|name| name.unwrap_or_else(|| "all namespaces".to_owned()))
            .collect();
        format!(
            "releases in {} of {}",
            names.join(", "),
            self.address.trim_end_matches('/')
        )
    }

    /// Why the cluster does not let releases be read; `None` if it does.
    pub async fn trouble(&self, settings: &Settings) -> Option<String> {
        let one = ListParams::default().labels(record::SELECTOR).limit(1);
        for namespace in self.namespaces(settings) {
            if let Err(error) = self.records(namespace.as_deref()).list_metadata(&one).await {
                let place = namespace.map_or_else(|| "all namespaces".to_owned(), |name| format!("namespace {name}"));
                return Some(format!(
                    "the cluster at {} does not let Secrets of {place} be listed: {}",
                    self.address.trim_end_matches('/'),
                    Chain(&error)
                ));
            }
        }
        None
    }

    /// The namespaces to watch: `None` is all of them.
    pub(crate) fn namespaces(&self, settings: &Settings) -> Vec<Option<String>> {
        match settings.namespaces.as_slice() {
            [] => vec![Some(self.default_namespace.clone())],
            [all] if all == "*" => vec![None],
            some => some.iter().cloned().map(Some).collect(),
        }
    }

    /// The records of a namespace, or of all.
    pub(crate) fn records(&self, namespace: Option<&str>) -> Api<Secret> {
        self.api(namespace)
    }

    fn api<K>(&self, namespace: Option<&str>) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        match namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    /// The records of a release as they are now, the oldest revision first.
    pub(crate) async fn revisions(&self, release: &ReleaseName) -> Result<Vec<Head>, Error> {
        let selector = format!("{},name={}", record::SELECTOR, release.name);
        let list = self
            .records(Some(&release.namespace))
            .list_metadata(&ListParams::default().labels(&selector))
            .await
            .map_err(Error::cluster(format!("list the records of release {release}")))?;
        let mut heads: Vec<Head> = list.items.iter().filter_map(|one| Head::read(&one.metadata)).collect();
        heads.sort_by_key(|head| head.revision);
        Ok(heads)
    }

    /// The Secret of a record, unless it is gone or another one by now.
    pub(crate) async fn secret(&self, head: &Head) -> Result<Option<Secret>, Error> {
        let secret = self
            .records(Some(&head.release.namespace))
            .get_opt(&head.secret)
            .await
            .map_err(Error::cluster(format!("get the record of release {}", head.release)))?;
        Ok(secret.filter(|secret| secret.metadata.uid.as_deref() == Some(&head.uid)))
    }

    /// The record, and whether it is the very version that `head` was read from.
    pub(crate) async fn record(&self, head: &Head) -> Result<Option<(Record, bool)>, Error> {
        let Some(secret) = self.secret(head).await? else {
            return Ok(None);
        };
        let same = secret.metadata.resource_version.as_deref() == Some(&head.resource_version);
        let record = Record::read(&secret).map_err(|source| Error::Record {
            release: head.release.to_string(),
            revision: head.revision,
            source,
        })?;
        Ok(Some((record, same)))
    }

    /// Writes a record back, if nobody else has since it was read.
    pub(crate) async fn replace(&self, secret: &Secret) -> Result<(), Error> {
        let name = secret.metadata.name.clone().unwrap_or_default();
        self.records(secret.metadata.namespace.as_deref())
            .replace(&name, &PostParams::default(), secret)
            .await
            .map_err(Error::cluster(format!("write Secret {name:?}")))?;
        Ok(())
    }

    /// Where the workloads stand, one answer each.
    pub(crate) async fn readiness(&self, workloads: &[Workload]) -> Result<Vec<Readiness>, Error> {
        try_join_all(workloads.iter().map(|workload| self.look(workload))).await
    }

    async fn look(&self, workload: &Workload) -> Result<Readiness, Error> {
        let fail = || Error::cluster(format!("get {} {:?}", workload.kind.as_str(), workload.name));
        let (namespace, name) = (Some(workload.namespace.as_str()), workload.name.as_str());
        let found = match workload.kind {
            WorkloadKind::Deployment => {
                let one: Option<Deployment> = self.api(namespace).get_opt(name).await.map_err(fail())?;
                one.map(|one| readiness::of_deployment(&one))
            }
            WorkloadKind::StatefulSet => {
                let one: Option<StatefulSet> = self.api(namespace).get_opt(name).await.map_err(fail())?;
                one.map(|one| readiness::of_stateful_set(&one))
            }
            WorkloadKind::DaemonSet => {
                let one: Option<DaemonSet> = self.api(namespace).get_opt(name).await.map_err(fail())?;
                one.map(|one| readiness::of_daemon_set(&one))
            }
            WorkloadKind::Job => {
                let one: Option<Job> = self.api(namespace).get_opt(name).await.map_err(fail())?;
                one.map(|one| readiness::of_job(&one))
            }
            WorkloadKind::Pod => {
                let one: Option<Pod> = self.api(namespace).get_opt(name).await.map_err(fail())?;
                one.map(|one| readiness::of_pod(&one))
            }
        };
        Ok(found.unwrap_or_else(|| Readiness::missing(workload)))
    }

    /// The pods of a workload, the newest first.
    pub(crate) async fn pods(&self, namespace: &str, selector: &LabelSelector) -> Result<Vec<Pod>, Error> {
        let labels = selector.match_labels.clone().unwrap_or_default();
        let list: kube::core::ObjectList<Pod> = self
            .api(Some(namespace))
            .list(&ListParams::default().labels(&text(&labels)).limit(PODS_MAX))
            .await
            .map_err(Error::cluster(format!("list pods in {namespace:?}")))?;
        let mut pods = list.items;
        pods.sort_by_key(|pod| std::cmp::Reverse(pod.metadata.creation_timestamp.as_ref().map(|time| time.0)));
        Ok(pods)
    }

    /// The last lines of a container: of the one before, if it was restarted.
    pub(crate) async fn last_lines(&self, pod: &Pod, container: &str, lines: u32) -> Vec<String> {
        let name = pod.metadata.name.clone().unwrap_or_default();
        let api: Api<Pod> = self.api(pod.metadata.namespace.as_deref());
        for previous in [true, false] {
            let params = LogParams {
                container: Some(container.to_owned()),
                previous,
                tail_lines: Some(i64::from(lines)),
                limit_bytes: Some(16 << 10),
                ..LogParams::default()
            };
            match api.logs(&name, &params).await {
                Ok(text) if has_lines(&text) => return text.lines().map(str::to_owned).collect(),
                Ok(_) => {}
                Err(error) => tracing::debug!(pod = name, container, %error, "There is no log."),
            }
        }
        Vec::new()
    }
}

/// Whether a container wrote something. Of one whose log is gone the kubelet says so in place of it, and with success.
fn has_lines(log: &str) -> bool {
    let log = log.trim();
    let is_answer = log.starts_with(NO_LOG) && log.lines().count() == 1;
    !log.is_empty() && !is_answer
}

fn text(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kubelet_says_of_a_log_is_no_log() {
        assert!(has_lines("panic: no database\n"));
        assert!(has_lines(
            "unable to retrieve container logs for it\nsaid the program itself\n"
        ));
        for log in ["", " \n", "unable to retrieve container logs for containerd://4f1c"] {
            assert!(!has_lines(log), "{log:?}");
        }
    }
}
