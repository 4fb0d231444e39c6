//! The cluster this gateway is an aggregated API of: it says who asks, what they may, and which namespaces there are.
//!
//! Without it the gateway decides all of that itself, by the objects of its own store.

mod answers;
mod namespaces;
mod recorder;
mod registration;
mod reviews;
mod trust;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::access::User;
use crate::status::Refusal;
use crate::{Error, Settings};
use answers::Answers;
pub(crate) use recorder::record;
pub(crate) use registration::{Own, Registration};
pub(crate) use trust::{RemoteHeaders, Trust};

/// A connection to kube-apiserver and what it answered lately.
pub(crate) struct Cluster {
    client: Client,
    address: String,
    /// Who tokens are of, by their digest.
    tokens: Answers<[u8; 32], User>,
    /// What users may. Only leave is remembered: a new role counts at once.
    leave: Answers<(User, crate::access::Action), ()>,
    /// That the cluster refused, for the wider question that may be asked first.
    refused: Answers<(User, crate::access::Action), ()>,
    /// Namespaces that exist and are not on their way out.
    namespaces: Answers<String, ()>,
}

impl Cluster {
    /// Connects as the settings say; without a kubeconfig there as clients of Kubernetes do.
    ///
    /// # Errors
    /// [`Error::Cluster`].
    pub(crate) async fn connect(settings: &Settings) -> Result<Self, Error> {
        let config = match &settings.kubeconfig {
            Some(path) => {
                let wrong = |source| Error::cluster(format!("use the kubeconfig {}", path.display()), source);
                let kubeconfig = Kubeconfig::read_from(path).map_err(wrong)?;
                let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
                config.map_err(wrong)?
            }
            None => {
                let config = Config::infer().await;
                config.map_err(|source| Error::cluster("find the cluster around it", source))?
            }
        };
        let address = config.cluster_url.to_string();
        let address = address.trim_end_matches('/').to_owned();
        let client = Client::try_from(config);
        let client = client.map_err(|source| Error::cluster(format!("talk to {address}"), source))?;
        Ok(Self::new(client, address, settings))
    }

    fn new(client: Client, address: String, settings: &Settings) -> Self {
        let age = settings.decision_age.duration();
        Self {
            client,
            address,
            tokens: Answers::new(age),
            leave: Answers::new(age),
            refused: Answers::new(age),
            namespaces: Answers::new(age),
        }
    }

    /// What the cluster could not be asked is refused, as if nobody was there.
    fn unavailable(&self, what: &str, error: &kube::Error) -> Refusal {
        tracing::warn!(%error, cluster = self.address, "The cluster could not be asked {what}.");
        Refusal::unavailable(format!("the cluster could not be asked {what}"))
    }
}
