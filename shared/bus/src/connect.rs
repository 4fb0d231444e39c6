//! How to reach a nats-server.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::Error;

/// Who we are to the server. `Debug` shows no secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular (or what the URL carries).
    #[default]
    None,
    /// User name and password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
    /// The seed of a user's nkey (`SU…`).
    Nkey(String),
    /// The text of a `.creds` file: a user's JWT with its nkey seed.
    Creds(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "none",
            Self::Password { .. } => "password",
            Self::Token(_) => "token",
            Self::Nkey(_) => "nkey",
            Self::Creds(_) => "creds",
        })
    }
}

/// What TLS needs beyond the system's roots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// A file of further root certificates, PEM.
    pub roots: Option<PathBuf>,
    /// Our certificate and its key, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// How to reach a nats-server, and how patient to be.
#[derive(Clone, PartialEq, Eq)]
pub struct Connect {
    /// `nats://host:4222` or `tls://host:4222`; several, separated by commas, for a cluster.
    pub url: String,
    /// Who we are.
    pub credentials: Credentials,
    /// Asks for TLS also where the URL says `nats://`.
    pub tls: Option<Tls>,
    /// Allows a remote address without TLS.
    pub insecure: bool,
    /// The connection's name in the server's lists.
    pub name: String,
    /// How long a call waits for its answer. Default 5 s.
    pub request_timeout: Duration,
    /// How long [`crate::Bus::connect`] tries to make the first connection. Default 10 s.
    pub first_connection_timeout: Duration,
    /// Replicas of streams whose specification says 1; for clusters. Default 1.
    pub replicas: usize,
}

impl Connect {
    /// The defaults, for `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            credentials: Credentials::None,
            tls: None,
            insecure: false,
            name: "tidemill".to_owned(),
            request_timeout: Duration::from_secs(5),
            first_connection_timeout: Duration::from_secs(10),
            replicas: 1,
        }
    }

    /// The servers, each well formed and safe to send credentials to.
    pub(crate) fn servers(&self) -> Result<Vec<async_nats::ServerAddr>, Error> {
        self.url.split(',').map(|one| self.server(one.trim())).collect()
    }

    /// The addresses without credentials.
    pub(crate) fn address(&self) -> String {
        let shown = self
            .url
            .split(',')
            .map(|one| one.rsplit('@').next().unwrap_or(one).trim());
        shown
            .map(|one| one.trim_start_matches("nats://").trim_start_matches("tls://"))
            .collect::<Vec<_>>()
            .join(",")
    }

    fn server(&self, url: &str) -> Result<async_nats::ServerAddr, Error> {
        let parsed = url.parse::<async_nats::ServerAddr>().ok();
        let server = parsed.filter(|server| matches!(server.scheme(), "nats" | "tls") && !server.host().is_empty());
        let server = server.ok_or_else(|| Error::Invalid {
            what: "NATS address",
            value: self.address(),
            expected: "nats://host:port or tls://host:port",
        })?;
        let encrypted = server.tls_required() || self.tls.is_some();
        if encrypted || self.insecure || is_local(server.host()) {
            return Ok(server);
        }
        Err(Error::Insecure {
            address: self.address(),
        })
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connect")
            .field("address", &self.address())
            .field("credentials", &self.credentials)
            .field("tls", &self.tls)
            .field("insecure", &self.insecure)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_address_needs_tls_or_a_word() {
        for local in [
            "nats://127.0.0.1:4222",
            "nats://localhost",
            "nats://[::1]:4222",
            "127.0.0.1:4222",
        ] {
            assert!(Connect::new(local).servers().is_ok(), "{local}");
        }
        for remote in [
            "nats://nats.example.org",
            "nats://10.0.0.1:4222",
            "nats://127.0.0.1,nats://10.0.0.1",
        ] {
            let mut connect = Connect::new(remote);
            assert!(matches!(connect.servers(), Err(Error::Insecure { .. })), "{remote}");
            connect.insecure = true;
            assert!(connect.servers().is_ok(), "{remote}");
            connect.insecure = false;
            connect.tls = Some(Tls::default());
            assert!(connect.servers().is_ok(), "{remote}");
        }
        assert!(Connect::new("tls://nats.example.org").servers().is_ok());
    }

    #[test]
    fn malformed_addresses_are_refused() {
        for bad in ["", "http://127.0.0.1", "ws://127.0.0.1", "nats://", "nats://a b"] {
            assert!(
                matches!(Connect::new(bad).servers(), Err(Error::Invalid { .. })),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let mut connect = Connect::new("nats://user:hunter2@127.0.0.1:4222");
        connect.credentials = Credentials::Token("hunter2".to_owned());
        let shown = format!("{connect:?}");
        assert!(
            !shown.contains("hunter2") && shown.contains("127.0.0.1:4222"),
            "{shown}"
        );
        connect.insecure = false;
        connect.url = "nats://user:hunter2@10.0.0.1".to_owned();
        assert!(!connect.servers().unwrap_err().to_string().contains("hunter2"));
    }
}
