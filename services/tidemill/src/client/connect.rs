//! Finding the server and its token.

use std::path::Path;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::Config;
use kube::client::{Body, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tower::{BoxError, Layer as _, Service, ServiceExt as _};

use super::Client;
use crate::error::Error;
use crate::state::StateDir;

/// The server of a kubeconfig's current context.
///
/// # Errors
/// [`Error::Usage`] when the file cannot be read or names no server.
pub(crate) async fn from_kubeconfig(path: &Path, namespace: Option<&str>) -> Result<Client, Error> {
    let wrong = |source: &dyn std::error::Error| {
        Error::usage_hint(
            format!("cannot use the kubeconfig {}: {source}", path.display()),
            "expected a kubeconfig with a current context, as `tidemill up` writes it",
        )
    };
    let kubeconfig = Kubeconfig::read_from(path).map_err(|error| wrong(&error))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| wrong(&error))?;
    let address = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
    let inner = match (config.cluster_url.scheme_str(), &config.root_cert) {
        (Some("http"), _) => plain(&config),
        (_, Some(_)) if config.proxy_url.is_none() => known(&config),
        _ => kube::Client::try_from(config),
    };
    let inner = inner.map_err(|error| wrong(&error))?;
    Ok(Client {
        inner,
        address,
        namespace,
    })
}

/// A client without TLS, for a server on loopback: the usual one reads every root certificate of the
/// machine first, which takes longer than the rest of a short command.
pub(super) fn plain(config: &Config) -> Result<kube::Client, kube::Error> {
    let http = HyperClient::builder(TokioExecutor::new()).build::<_, Body>(HttpConnector::new());
    layered(config, http.map_err(BoxError::from))
}

/// With the server's address and the user's token.
fn layered<S>(config: &Config, service: S) -> Result<kube::Client, kube::Error>
where
    S: Service<Request<Body>, Response = Response<Incoming>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let namespace = config.default_namespace.clone();
    let service = config.base_uri_layer().layer(service);
    Ok(match config.auth_layer()? {
        Some(auth) => kube::Client::new(auth.layer(service), namespace),
        None => kube::Client::new(service, namespace),
    })
}

/// A client for a server whose authority the kubeconfig has: only the layers that this command needs.
fn known(config: &Config) -> Result<kube::Client, kube::Error> {
    let connector = config.rustls_https_connector()?;
    let https = HyperClient::builder(TokioExecutor::new()).build::<_, Body>(connector);
    layered(config, https.map_err(BoxError::from))
}

/// The server that runs with this state directory.
///
/// # Errors
/// [`Error::NotRunning`] when none does.
pub(crate) async fn from_state(state: &StateDir, namespace: Option<&str>) -> Result<Client, Error> {
    if state.running().is_none() {
        return Err(Error::NotRunning {
            state_dir: state.path().to_owned(),
        });
    }
    from_kubeconfig(&state.kubeconfig(), namespace).await
}
