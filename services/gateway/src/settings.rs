//! Settings of the gateway, with their defaults.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tidemill_settings::{Secret, Size, Span};

/// Settings of the gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Where it listens. Default `127.0.0.1:7780`; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether it may listen unencrypted on other addresses than loopback. Default no.
    pub allow_remote: bool,
    /// File with the server's certificate and those above it, in PEM; needs `key`. No default:
    /// `tidemill` makes its own authority in the state directory.
    pub certificate: Option<PathBuf>,
    /// File with the key of `certificate`, in PEM.
    pub key: Option<PathBuf>,
    /// File with the authorities whose client certificates are believed, in PEM. No default: with
    /// `certificate` none is.
    pub client_authorities: Option<PathBuf>,
    /// File with the authorities of proxies that say who asks by `X-Remote-User` and `X-Remote-Group`, as
    /// kube-apiserver does for the APIs it passes on, in PEM. No default: nobody is believed.
    pub proxy_authorities: Option<PathBuf>,
    /// Common names such a proxy's certificate may have. Default `front-proxy-client`; empty: any.
    pub proxy_names: Vec<String>,
    /// Whether it serves `tekton.dev` and `triggers.tekton.dev` as aggregated APIs of a cluster, which then says who
    /// asks and what they may, and has Secrets, ConfigMaps, claims, accounts and namespaces of its own. All services on
    /// one store must agree. Default no.
    pub aggregated: bool,
    /// The Service in front of it, `namespace/name`, to which the APIServices lead. Needed when `aggregated`.
    pub service: String,
    /// Kubeconfig of that cluster. Default: the one around it.
    pub kubeconfig: Option<PathBuf>,
    /// How long it relies on what the cluster said about a token or allowed a user. Default 10 s.
    pub decision_age: Span,
    /// The bearer token of who may do everything. No default.
    pub token: Secret,
    /// Connections at once. Default 1,024; more wait.
    pub connections: usize,
    /// Largest body of a request. Default 4 MiB.
    pub body: Size,
    /// Time limit of a request that is no watch and follows no log. Default 30 s.
    pub request_timeout: Span,
    /// Longest watch or followed log; clients begin anew. Default 1 h.
    pub stream_timeout: Span,
    /// Logs read at once. Default 256; more are told to come back.
    pub log_readers: usize,
    /// Text kept in memory for the last lines of one log (`tailLines`). Default 8 MiB.
    pub tail: Size,
    /// How long an orderly stop waits for requests under way. Default 5 s.
    pub stop_grace: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7780)),
            allow_remote: false,
            certificate: None,
            key: None,
            client_authorities: None,
            proxy_authorities: None,
            proxy_names: vec!["front-proxy-client".to_owned()],
            aggregated: false,
            service: String::new(),
            kubeconfig: None,
            decision_age: Span::seconds(10),
            token: Secret::default(),
            connections: 1_024,
            body: Size::new(4 << 20),
            request_timeout: Span::seconds(30),
            stream_timeout: Span::seconds(3_600),
            log_readers: 256,
            tail: Size::new(8 << 20),
            stop_grace: Span::seconds(5),
        }
    }
}

impl Settings {
    /// 32 secret bytes for one purpose; the same for everybody with the same token.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        // HMAC takes keys of any length.
        Hmac::<Sha256>::new_from_slice(self.token.expose().as_bytes())
            .map(|mut mac| {
                mac.update(purpose.as_bytes());
                mac.finalize().into_bytes().into()
            })
            .unwrap_or_default()
    }

    /// Names by which clients of its cluster find the Service in front of it.
    pub fn hosts(&self) -> Vec<String> {
        match self.service.split_once('/') {
            Some((namespace, name)) => vec![
                format!("{name}.{namespace}.svc"),
                format!("{name}.{namespace}.svc.cluster.local"),
                format!("{name}.{namespace}"),
            ],
            None => Vec::new(),
        }
    }
}

impl tidemill_settings::Settings for Settings {
    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.certificate.is_some() != self.key.is_some() {
            problems.push(("certificate", "certificate and key go together: name both".to_owned()));
        }
        if self.aggregated && self.service.split('/').filter(|part| !part.is_empty()).count() != 2 {
            let message = format!(
                "{:?} names no Service; expected namespace/name, which gateway.aggregated needs",
                self.service
            );
            problems.push(("service", message));
        }
        for (key, value) in [("connections", self.connections), ("log-readers", self.log_readers)] {
            if value == 0 {
                problems.push((key, "must be at least 1".to_owned()));
            }
        }
        problems
    }
}
