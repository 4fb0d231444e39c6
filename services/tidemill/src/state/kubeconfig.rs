//! The kubeconfig by which `kubectl`, `tkn` and this command find the server.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The text for a server at `address`, known by `authority` (PEM; `None`: it is not encrypted, or its
/// certificate is signed by one that every machine knows). No value holds a character YAML minds.
pub(super) fn text(address: &str, authority: Option<&str>, token: &str) -> String {
    whole(address, authority, "tidemill", &format!("token: \"{token}\""))
}

/// The text for a user who shows a certificate.
pub(crate) fn of_client(address: &str, authority: &str, user: &str, certificate: &str, key: &str) -> String {
    let credentials = format!(
        "client-certificate-data: {}\n      client-key-data: {}",
        STANDARD.encode(certificate),
        STANDARD.encode(key)
    );
    // As JSON text, which YAML reads as it is meant whatever the name holds.
    let user = serde_json::Value::from(user).to_string();
    whole(address, Some(authority), &user, &credentials)
}

fn whole(address: &str, authority: Option<&str>, user: &str, credentials: &str) -> String {
    let authority = authority.map_or_else(String::new, |authority| {
        format!("\n      certificate-authority-data: {}", STANDARD.encode(authority))
    });
    format!(
        "apiVersion: v1
kind: Config
current-context: tidemill
clusters:
  - name: tidemill
    cluster:
      server: \"{address}\"{authority}
contexts:
  - name: tidemill
    context:
      cluster: tidemill
      user: {user}
      namespace: default
users:
  - name: {user}
    user:
      {credentials}
"
    )
}

/// The address in a text written by [`text`].
pub(super) fn address(text: &str) -> Option<SocketAddr> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix("server: \""))?;
    let authority = line.strip_suffix('"')?.split_once("://")?.1;
    authority.parse().ok()
}

#[cfg(test)]
mod tests {
    use kube::config::Kubeconfig;

    use super::{address, of_client, text};

    #[test]
    fn a_kubernetes_client_understands_it() {
        let written = text("https://127.0.0.1:7117", Some("-----BEGIN"), "abc");
        let config = Kubeconfig::from_yaml(&written).unwrap();
        assert_eq!(config.current_context.as_deref(), Some("tidemill"));
        let cluster = config.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.server.as_deref(), Some("https://127.0.0.1:7117"));
        assert_eq!(cluster.certificate_authority_data.as_deref(), Some("LS0tLS1CRUdJTg=="));
        assert!(config.auth_infos[0].auth_info.as_ref().unwrap().token.is_some());
        let of_jane = of_client("https://127.0.0.1:7117", "A", "jane: #", "C", "K");
        let config = Kubeconfig::from_yaml(&of_jane).unwrap();
        assert_eq!(config.auth_infos[0].name, "jane: #");
        let jane = config.auth_infos[0].auth_info.as_ref().unwrap();
        assert_eq!(jane.client_certificate_data.as_deref(), Some("Qw=="));
        for written in [written, of_jane, text("http://127.0.0.1:7117", None, "abc")] {
            assert_eq!(address(&written), Some(([127, 0, 0, 1], 7117).into()));
        }
    }
}
