//! The kubeconfig by which `kubectl`, `tkn` and this command find the server.

use std::net::SocketAddr;

/// The text for a server at `address`. Both values come from here and hold no character YAML minds.
pub(super) fn text(address: &str, token: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
current-context: tidemill
clusters:
  - name: tidemill
    cluster:
      server: \"{address}\"
contexts:
  - name: tidemill
    context:
      cluster: tidemill
      user: tidemill
      namespace: default
users:
  - name: tidemill
    user:
      token: \"{token}\"
"
    )
}

/// The address in a text written by [`text`].
pub(super) fn address(text: &str) -> Option<SocketAddr> {
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("server: \"http://"))?;
    line.strip_suffix('"')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use kube::config::Kubeconfig;

    #[test]
    fn a_kubernetes_client_understands_it() {
        let config = Kubeconfig::from_yaml(&super::text("http://127.0.0.1:7117", "abc")).unwrap();
        assert_eq!(config.current_context.as_deref(), Some("tidemill"));
        let cluster = config.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.server.as_deref(), Some("http://127.0.0.1:7117"));
        assert!(config.auth_infos[0].auth_info.as_ref().unwrap().token.is_some());
    }
}
