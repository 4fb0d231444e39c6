//! The certificates a gateway answers and believes with.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tidemill_settings::Secret;
use tokio_rustls::TlsAcceptor;

use super::listener::Proxy;
use crate::access::User;
use crate::cluster::{RemoteHeaders, Trust};
use crate::{Error, Settings};

/// What the gateway shows its clients, and by whom theirs must be signed. All texts are PEM.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The server's certificate and those above it.
    pub certificates: String,
    /// Its key.
    pub key: Secret,
    /// Who signs clients' certificates; empty: none is believed.
    pub client_authorities: String,
    /// Who signs certificates of proxies that say who asks; empty: none is believed.
    pub proxy_authorities: String,
    /// Who signed the server's certificate, for whoever has to be told; empty: they know.
    pub authority: String,
}

impl Tls {
    /// The files that the settings name; `None` when they name none.
    ///
    /// # Errors
    /// [`Error::Setting`] for a file that cannot be read, or a certificate without key.
    pub fn of_files(settings: &Settings) -> Result<Option<Self>, Error> {
        let (Some(certificates), Some(key)) = (&settings.certificate, &settings.key) else {
            return Ok(None);
        };
        let optional = |key, path: &Option<PathBuf>| -> Result<String, Error> {
            let text = path.as_deref().map(|path| read(key, path)).transpose()?;
            Ok(text.unwrap_or_default())
        };
        Ok(Some(Self {
            certificates: read("certificate", certificates)?,
            key: Secret::new(read("key", key)?),
            client_authorities: optional("client-authorities", &settings.client_authorities)?,
            proxy_authorities: optional("proxy-authorities", &settings.proxy_authorities)?,
            authority: String::new(),
        }))
    }

    /// The same, and whom a cluster vouches for.
    pub(super) fn with(&self, trust: &Trust) -> Self {
        let both = |own: &str, trusted: &str| [own.trim(), trusted.trim()].join("\n").trim().to_owned();
        Self {
            client_authorities: both(&self.client_authorities, &trust.clients),
            proxy_authorities: both(&self.proxy_authorities, &trust.proxies),
            ..self.clone()
        }
    }

    /// What makes connections of streams, and what knows who is at their other end. A proxy may have one of `names`
    /// (if there are any) and says who asks in `headers`.
    pub(super) fn acceptor(&self, names: &[String], headers: &RemoteHeaders) -> Result<Acceptor, Error> {
        let certificates = certificates("certificate", &self.certificates)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose().as_bytes())
            .map_err(|error| setting("key", format!("holds no private key in PEM: {error}")))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| setting("certificate", error.to_string()))?;
        let of_clients = self::certificates_if_any("client-authorities", &self.client_authorities)?;
        let of_proxies = self::certificates_if_any("proxy-authorities", &self.proxy_authorities)?;
        let all: Vec<_> = of_clients.iter().chain(&of_proxies).cloned().collect();
        let builder = match verifier("client-authorities", all, &provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let vouchers = Vouchers {
            clients: verifier("client-authorities", of_clients, &provider)?,
            proxies: verifier("proxy-authorities", of_proxies, &provider)?,
            names: names.to_vec(),
            headers: headers.clone(),
        };
        let mut config = builder
            .with_single_cert(certificates, key)
            .map_err(|error| setting("key", format!("does not fit the certificate: {error}")))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok((TlsAcceptor::from(Arc::new(config)), Arc::new(vouchers)))
    }
}

/// Who vouches for certificates that were shown: the same hand may not sign for users and for proxies.
pub(super) struct Vouchers {
    clients: Option<Arc<dyn ClientCertVerifier>>,
    proxies: Option<Arc<dyn ClientCertVerifier>>,
    /// Names a proxy may have; empty: any.
    names: Vec<String>,
    /// Where it says who asks.
    headers: RemoteHeaders,
}

/// What agrees on encryption, and what knows whose certificate was shown.
pub(super) type Acceptor = (TlsAcceptor, Arc<Vouchers>);

impl Vouchers {
    /// Whether it is a client's.
    pub(super) fn is_client(&self, shown: &[CertificateDer<'_>]) -> bool {
        vouches(self.clients.as_ref(), shown)
    }

    /// The proxy it is of, if it is one's; `user` is whom it names.
    pub(super) fn proxy(&self, shown: &[CertificateDer<'_>], user: &User) -> Option<Proxy> {
        vouches(self.proxies.as_ref(), shown).then(|| Proxy {
            user: user.clone(),
            names: self.names.clone(),
            headers: self.headers.clone(),
        })
    }
}

fn vouches(verifier: Option<&Arc<dyn ClientCertVerifier>>, shown: &[CertificateDer<'_>]) -> bool {
    let (Some(verifier), Some((own, above))) = (verifier, shown.split_first()) else {
        return false;
    };
    verifier.verify_client_cert(own, above, UnixTime::now()).is_ok()
}

/// Believes certificates that one of `authorities` signed; who shows none may still have a token.
fn verifier(
    key: &'static str,
    authorities: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Error> {
    if authorities.is_empty() {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(|error| setting(key, error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map(Some)
        .map_err(|error| setting(key, error.to_string()))
}

fn certificates_if_any(key: &'static str, text: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    certificates(key, text)
}

fn certificates(key: &'static str, text: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let all = all.map_err(|error| setting(key, format!("holds no certificates in PEM: {error}")))?;
    if all.is_empty() {
        return Err(setting(key, "holds no certificate in PEM".to_owned()));
    }
    Ok(all)
}

fn read(key: &'static str, path: &Path) -> Result<String, Error> {
    let said = |source: io::Error| setting(key, format!("{} cannot be read: {source}", path.display()));
    std::fs::read_to_string(path).map_err(said)
}

fn setting(key: &'static str, message: String) -> Error {
    Error::Setting { key, message }
}
