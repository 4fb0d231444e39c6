//! The HTTP client of the export.

use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry_http::hyper::HyperClient;
use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};

/// An HTTP client.
pub(crate) type Https = HyperClient<HttpsConnector<HttpConnector>>;

/// A client for `http` and `https`; trusts what the machine trusts.
pub(crate) fn https(timeout: Duration) -> Result<Https, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // What cannot be read is not trusted.
        drop(roots.add(certificate));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Ok(HyperClient::new(connector, timeout, None))
}
