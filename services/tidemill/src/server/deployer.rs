//! The cluster whose releases are watched, if there is one.

use tidemill_deployer::{Cluster, Settings};

use crate::error::Error;

/// Connects to the cluster that the settings name; `None`: they name none.
///
/// # Errors
/// [`Error::Service`] for a kubeconfig that cannot be used.
pub(super) async fn connect(settings: &Settings) -> Result<Option<Cluster>, Error> {
    if settings.kubeconfig.is_none() && settings.context.is_none() && settings.namespaces.is_empty() {
        return Ok(None);
    }
    let cluster = Cluster::connect(settings).await.map_err(Error::service("deployer"))?;
    Ok(Some(cluster))
}
