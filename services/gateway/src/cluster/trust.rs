//! Whom the cluster's own API server vouches for: it publishes that for the APIs it passes requests on to.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use super::Cluster;
use crate::Error;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";

/// Authorities, and the names and headers of the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trust {
    /// Who signs users' certificates, in PEM; may be empty.
    pub(crate) clients: String,
    /// Who signs the certificate of the proxy, in PEM.
    pub(crate) proxies: String,
    /// Common names the proxy may have; empty: any.
    pub(crate) names: Vec<String>,
    /// Headers with what the proxy says about who asks.
    pub(crate) headers: RemoteHeaders,
}

/// Names of headers, in lower case, the first that is there counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemoteHeaders {
    pub(crate) user: Vec<String>,
    pub(crate) uid: Vec<String>,
    pub(crate) group: Vec<String>,
    /// Beginnings of the names of all others.
    pub(crate) extra: Vec<String>,
}

impl Default for RemoteHeaders {
    fn default() -> Self {
        let one = |name: &str| vec![name.to_owned()];
        Self {
            user: one("x-remote-user"),
            uid: one("x-remote-uid"),
            group: one("x-remote-group"),
            extra: one("x-remote-extra-"),
        }
    }
}

impl Cluster {
    /// What holds now.
    ///
    /// # Errors
    /// [`Error::Cluster`]; [`Error::NotAggregating`] when the API server passes nothing on.
    pub(crate) async fn trust(&self) -> Result<Trust, Error> {
        let api = Api::<ConfigMap>::namespaced(self.client.clone(), NAMESPACE);
        let found = api.get(NAME).await;
        let found = found.map_err(|source| Error::cluster(format!("read the ConfigMap {NAMESPACE}/{NAME}"), source))?;
        let trust = trust(&found);
        if trust.proxies.trim().is_empty() {
            return Err(Error::NotAggregating {
                address: self.address.clone(),
            });
        }
        Ok(trust)
    }
}

fn trust(map: &ConfigMap) -> Trust {
    let text = |key: &str| {
        let data = map.data.as_ref();
        data.and_then(|data| data.get(key)).cloned().unwrap_or_default()
    };
    let list = |key: &str| serde_json::from_str::<Vec<String>>(&text(key)).unwrap_or_default();
    let headers = |key: &str, usual: Vec<String>| {
        let names: Vec<String> = list(key).iter().map(|name| name.to_lowercase()).collect();
        if names.is_empty() { usual } else { names }
    };
    let usual = RemoteHeaders::default();
    Trust {
        clients: text("client-ca-file"),
        proxies: text("requestheader-client-ca-file"),
        names: list("requestheader-allowed-names"),
        headers: RemoteHeaders {
            user: headers("requestheader-username-headers", usual.user),
            uid: headers("requestheader-uid-headers", usual.uid),
            group: headers("requestheader-group-headers", usual.group),
            extra: headers("requestheader-extra-headers-prefix", usual.extra),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_api_server_publishes_is_read() {
        let map = json!({"data": {
            "client-ca-file": "a", "requestheader-client-ca-file": "b", "requestheader-allowed-names": "[\"front\"]",
            "requestheader-username-headers": "[\"X-User\", \"X-Remote-User\"]", "requestheader-group-headers": "odd",
        }});
        let read = trust(&serde_json::from_value(map).unwrap());
        assert_eq!((read.clients.as_str(), read.proxies.as_str()), ("a", "b"));
        assert_eq!(read.names, ["front"]);
        assert_eq!(read.headers.user, ["x-user", "x-remote-user"]);
        assert_eq!(
            (&read.headers.group[..], &read.headers.extra[..]),
            (&["x-remote-group".to_owned()][..], &["x-remote-extra-".to_owned()][..])
        );
        assert_eq!(trust(&ConfigMap::default()), Trust::default());
    }
}
