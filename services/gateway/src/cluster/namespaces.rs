//! Namespaces, which are the cluster's.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;

use super::Cluster;
use crate::access::Action;
use crate::status::Refusal;

impl Cluster {
    /// New objects need a namespace that exists and is not on its way out; kube-apiserver leaves that to who serves
    /// the objects.
    ///
    /// # Errors
    /// 404, 403; 503 when the cluster does not answer.
    pub(crate) async fn check_namespace(&self, action: &Action) -> Result<(), Refusal> {
        let name = &action.namespace;
        if name.is_empty() || self.namespaces.get(name).is_some() {
            return Ok(());
        }
        let found = Api::<Namespace>::all(self.client.clone()).get_metadata_opt(name).await;
        let found = found.map_err(|error| self.unavailable("whether the namespace exists", &error))?;
        let Some(found) = found else {
            return Err(Refusal::no_such("namespaces", name));
        };
        if found.metadata.deletion_timestamp.is_some() {
            let message = format!(
                "{} is forbidden: unable to create new content in namespace {name} because it is being terminated",
                action.whole_name()
            );
            return Err(
                Refusal::about(403, "Forbidden", message, &action.group, &action.resource, &action.name).because(
                    "NamespaceTerminating",
                    &format!("namespace {name} is being terminated"),
                    "metadata.namespace",
                ),
            );
        }
        self.namespaces.put(name.clone(), ());
        Ok(())
    }
}
