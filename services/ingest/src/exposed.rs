//! In a cluster: a Service `el-<listener>` for each EventListener, the name that webhooks are sent to there.
//!
//! The Service leads to ingest's own by name (ExternalName): a selector could not reach into another namespace, and
//! nothing has to follow the addresses of pods. Requests are told apart by their host.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use tidemill_objects::{ListQuery, Objects, Scope, WatchQuery};
use tidemill_resources::Object;
use tidemill_telemetry::Chain;
use tokio::time::{sleep, timeout};

use crate::Error;
use crate::address::{self, SERVICE_PORT};
use crate::app::App;

/// Marks the Services that are ours; its value is the listener's name.
const LABEL: &str = "tidemill.dev/event-listener";
/// How often Services are compared, should someone have changed one.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Pause after a failure.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// A Service's name is a label of DNS.
const MAX_NAME: usize = 63;

/// Keeps the Services of EventListeners until ingest stops; nothing without the setting
/// `service`. A Service of that name that is not ours is left alone, and said so.
pub(crate) async fn run(app: Arc<App>) -> Result<(), Error> {
    let Some(target) = app.settings.service.clone() else {
        return Ok(());
    };
    let Some(client) = app.cluster().await? else {
        return Ok(());
    };
    let keeper = Keeper {
        client,
        objects: app.objects.clone(),
        target,
    };
    let work = async {
        loop {
            if let Err(error) = keeper.follow(&app.settings.namespaces).await {
                tracing::warn!(error = %Chain(&error), "The Services of EventListeners are compared again.");
                sleep(AGAIN_AFTER).await;
            }
        }
    };
    app.stopping.run_until_cancelled(work).await.unwrap_or(Ok(()))
}

struct Keeper {
    client: Client,
    objects: Objects,
    target: String,
}

/// What can go wrong on the way.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the listeners cannot be read")]
    Objects(#[from] tidemill_objects::Error),
    #[error("the cluster's Services cannot be {0}")]
    Cluster(&'static str, #[source] kube::Error),
}

impl Keeper {
    /// Compares at once, at each change of a listener, and now and then.
    async fn follow(&self, namespaces: &[String]) -> Result<(), Failure> {
        self.objects.ready().await?;
        let scope = Scope::new("triggers.tekton.dev", "eventlisteners", None);
        let query = WatchQuery {
            scope,
            ..WatchQuery::default()
        };
        let mut watch = self.objects.watch(query).await?;
        loop {
            for namespace in namespaces {
                self.compare(namespace).await?;
            }
            if let Ok(event) = timeout(LOOK_EVERY, watch.next()).await {
                event?;
            }
        }
    }

    async fn compare(&self, namespace: &str) -> Result<(), Failure> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), namespace);
        let ours = services
            .list(&ListParams::default().labels(LABEL))
            .await
            .map_err(|source| Failure::Cluster("listed", source))?;
        let mut left: BTreeMap<String, Service> = ours.into_iter().map(|each| (each.name_any(), each)).collect();
        for listener in self.listeners(namespace).await? {
            let name = address::service(listener.name());
            if name.len() > MAX_NAME {
                tracing::warn!(
                    listener = listener.name(),
                    namespace,
                    "Its name is too long for a Service."
                );
                continue;
            }
            let found = left.remove(&name);
            self.ensure(&services, &name, &listener, found.as_ref()).await?;
        }
        for name in left.keys() {
            services
                .delete(name, &DeleteParams::default())
                .await
                .map_err(|source| Failure::Cluster("deleted", source))?;
        }
        Ok(())
    }

    async fn listeners(&self, namespace: &str) -> Result<Vec<Object>, Failure> {
        let scope = Scope::new("triggers.tekton.dev", "eventlisteners", Some(namespace));
        let query = ListQuery {
            scope,
            ..ListQuery::default()
        };
        let listed = self.objects.list(&query).await?;
        let alive = |listener: &Object| listener.metadata.deletion_timestamp.is_none();
        Ok(listed.items.into_iter().filter(alive).collect())
    }

    /// Makes the Service what it should be, unless the name is somebody else's.
    async fn ensure(
        &self,
        services: &Api<Service>,
        name: &str,
        listener: &Object,
        found: Option<&Service>,
    ) -> Result<(), Failure> {
        let wanted = service(name, listener, &self.target);
        let Some(found) = found else {
            return match services.create(&PostParams::default(), &wanted).await {
                Ok(_) => Ok(()),
                Err(kube::Error::Api(status)) if status.code == 409 => {
                    tracing::warn!(service = name, "A Service of this name is not ours; it is left alone.");
                    Ok(())
                }
                Err(source) => Err(Failure::Cluster("created", source)),
            };
        };
        let target = found.spec.as_ref().and_then(|spec| spec.external_name.as_deref());
        if target != Some(self.target.as_str()) {
            let patch = json!({"spec": {"type": "ExternalName", "externalName": self.target}});
            services
                .patch(name, &PatchParams::default(), &Patch::Merge(patch))
                .await
                .map_err(|source| Failure::Cluster("changed", source))?;
        }
        Ok(())
    }
}

fn service(name: &str, listener: &Object, target: &str) -> Service {
    let labels = [
        (LABEL, listener.name()),
        ("app.kubernetes.io/managed-by", "tidemill"),
        ("eventlistener", listener.name()),
    ];
    let mut service = Service {
        spec: Some(ServiceSpec {
            type_: Some("ExternalName".to_owned()),
            external_name: Some(target.to_owned()),
            ports: Some(vec![ServicePort {
                name: Some("http-listener".to_owned()),
                port: SERVICE_PORT,
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    };
    service.metadata.name = Some(name.to_owned());
    service.metadata.labels = Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    service
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_as_tektons_and_leads_to_ingest() {
        let listener: Object = serde_json::from_value(json!({
            "apiVersion": "triggers.tekton.dev/v1beta1", "kind": "EventListener",
            "metadata": {"name": "git", "namespace": "ci"},
        }))
        .unwrap();
        let made = json!(service("el-git", &listener, "ingest.tidemill.svc.cluster.local"));
        assert_eq!(made["metadata"]["name"], "el-git");
        assert_eq!(made["metadata"]["labels"][LABEL], "git");
        assert_eq!(made["spec"]["type"], "ExternalName");
        assert_eq!(made["spec"]["externalName"], "ingest.tidemill.svc.cluster.local");
        assert_eq!(made["spec"]["ports"][0]["port"], 8080);
    }
}
