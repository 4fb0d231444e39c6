//! Connections, with and without TLS.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::guard::Resolver;

/// Connections to one host that are kept when they are idle.
const IDLE_PER_HOST: usize = 8;
/// How long they are kept.
const IDLE: Duration = Duration::from_secs(30);

type Http = HttpConnector<Resolver>;

/// Connections that trust the same certificates.
pub(super) enum Connection {
    Plain(Client<Http, Full<Bytes>>),
    Secure(Client<HttpsConnector<Http>, Full<Bytes>>),
}

impl Connection {
    pub(super) fn request(&self, request: http::Request<Full<Bytes>>) -> ResponseFuture {
        match self {
            Self::Plain(client) => client.request(request),
            Self::Secure(client) => client.request(request),
        }
    }
}

/// Without TLS.
pub(super) fn plain() -> Connection {
    Connection::Plain(builder().build(HttpConnector::new_with_resolver(Resolver)))
}

/// With TLS; trusts `bundle`, PEM in base64, else what the machine trusts.
///
/// # Errors
/// Says what is wrong with the certificates.
pub(super) fn secure(bundle: &str) -> Result<Connection, String> {
    let roots = match bundle.is_empty() {
        true => machines(),
        false => given(bundle)?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut http = HttpConnector::new_with_resolver(Resolver);
    http.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .enable_http1()
        .wrap_connector(http);
    Ok(Connection::Secure(builder().build(connector)))
}

fn builder() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_PER_HOST);
    builder
}

fn machines() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "Certificates of the machine could not be read.");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

fn given(bundle: &str) -> Result<RootCertStore, String> {
    let pem = BASE64_STANDARD
        .decode(bundle)
        .map_err(|_| "its caBundle is not base64".to_owned())?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| format!("its caBundle is no PEM: {error}"))?;
        let added = roots.add(certificate);
        added.map_err(|error| format!("its caBundle holds no usable certificate: {error}"))?;
    }
    if roots.is_empty() {
        return Err("its caBundle holds no certificate".to_owned());
    }
    Ok(roots)
}
