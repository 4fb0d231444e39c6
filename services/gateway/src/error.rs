//! What keeps the gateway from serving.

use std::net::SocketAddr;

/// The gateway cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting makes no sense.
    #[error("gateway.{key}: {message}")]
    Setting {
        /// The key.
        key: &'static str,
        /// What is wrong and what was expected.
        message: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: another process may; choose another with gateway.listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// The cluster the gateway is to be a part of does not do its share.
    #[error("the gateway cannot {what}: it is to be an aggregated API (gateway.aggregated)")]
    Cluster {
        /// What was tried.
        what: String,
        /// The client's words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The API server passes requests on to nobody.
    #[error(
        "kube-apiserver at {address} publishes no authority for requests it passes on: start it with \
         --requestheader-client-ca-file and --proxy-client-cert-file, or set gateway.aggregated = false"
    )]
    NotAggregating {
        /// Of the API server.
        address: String,
    },
    /// A group is served from custom resources of the cluster.
    #[error(
        "{name} is served from custom resources of this cluster, as Tekton installs them, and two cannot serve it: \
         take their objects over with `tidemill import`, remove Tekton's CustomResourceDefinitions, then start again; \
         until then set gateway.aggregated = false. Beside Tekton, runs with spec.managedBy other than \
         tekton.dev/pipeline are left alone by its controllers"
    )]
    CustomResources {
        /// Of the APIService.
        name: String,
    },
    /// A group is served by somebody else.
    #[error(
        "the APIService {name} leads to {owner} and not to {service} (gateway.service): remove the one or mend the other"
    )]
    Taken {
        /// Of the APIService.
        name: String,
        /// Where it leads.
        owner: String,
        /// Where it should.
        service: String,
    },
    /// What was served so far came from another store.
    #[error(
        "the APIService {name} served the store {before} until now, and this is another: were it served, the cluster \
         would take all runs for deleted and remove their pods; give the gateway its store back, or remove the \
         annotation tidemill.dev/store from the APIServices if the old one is gone for good"
    )]
    OtherStore {
        /// Of the APIService.
        name: String,
        /// Id of that store.
        before: String,
    },
    /// Serving failed.
    #[error("the gateway cannot go on serving")]
    Serve(#[source] std::io::Error),
}

impl Error {
    pub(crate) fn cluster(what: impl Into<String>, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Cluster {
            what: what.into(),
            source: Box::new(source),
        }
    }
}
