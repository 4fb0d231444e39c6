//! Being a part of a cluster: known to its API server, and knowing whom that vouches for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidemill_objects::Objects;
use tidemill_telemetry::Chain;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::listener::Acceptors;
use super::tls::{Acceptor, Tls};
use crate::cluster::{Cluster, Own, Registration, Trust};
use crate::{Error, Settings};

/// How often it is looked whether anything changed: authorities are published long before they count.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The same while something is missing.
const LOOK_SOON: Duration = Duration::from_secs(2);

/// What keeps the gateway a part of its cluster.
pub(super) struct Extension {
    cluster: Arc<Cluster>,
    service: String,
    tls: Tls,
    trust: Trust,
    acceptors: watch::Sender<Acceptor>,
    registered: Registration,
}

impl Extension {
    /// Connects to the cluster, reads whom it vouches for and registers.
    ///
    /// # Errors
    /// When the cluster does not answer, does not pass requests on, or has given a group to somebody else.
    pub(super) async fn open(settings: &Settings, tls: Option<&Tls>) -> Result<(Self, Acceptors), Error> {
        let Some(tls) = tls.cloned() else {
            let message = "is missing: kube-apiserver passes requests on encrypted only".to_owned();
            return Err(Error::Setting {
                key: "certificate",
                message,
            });
        };
        let cluster = Arc::new(Cluster::connect(settings).await?);
        let trust = cluster.trust().await?;
        let (acceptors, receiver) = watch::channel(acceptor(&tls, &trust)?);
        let mut extension = Self {
            cluster,
            service: settings.service.clone(),
            tls,
            trust,
            acceptors,
            registered: Registration::Done,
        };
        extension.register(None).await?;
        Ok((extension, receiver))
    }

    pub(super) fn cluster(&self) -> Arc<Cluster> {
        self.cluster.clone()
    }

    /// Sees to it that the gateway is and stays a part of the cluster, until `shutdown`. Once it is, `admitted` says so.
    pub(super) async fn keep(mut self, objects: Objects, admitted: Arc<AtomicBool>, shutdown: CancellationToken) {
        let work = async {
            // The store is known when the index has caught up; a failure is told by every request.
            while objects.ready().await.is_err() {
                tokio::time::sleep(LOOK_SOON).await;
            }
            let mut said = String::new();
            loop {
                let looked = self.look(objects.store_id()).await;
                let is_part = looked.is_ok() && self.registered == Registration::Done;
                if is_part {
                    admitted.store(true, Ordering::Relaxed);
                }
                let problem = looked.err().map(|error| Chain(&error).to_string()).unwrap_or_default();
                if !problem.is_empty() && problem != said {
                    tracing::error!("{problem}; it is looked again.");
                }
                said = problem;
                tokio::time::sleep(if is_part { LOOK_EVERY } else { LOOK_SOON }).await;
            }
        };
        tokio::select! {
            () = work => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn look(&mut self, store: Option<&str>) -> Result<(), Error> {
        let trust = self.cluster.trust().await?;
        if trust != self.trust {
            self.acceptors.send_replace(acceptor(&self.tls, &trust)?);
            self.trust = trust;
            tracing::info!("The cluster's authorities changed; new connections are judged by the new ones.");
        }
        self.register(store).await
    }

    async fn register(&mut self, store: Option<&str>) -> Result<(), Error> {
        let own = Own {
            service: &self.service,
            authority: Some(self.tls.authority.as_str()).filter(|authority| !authority.is_empty()),
            store,
        };
        let registered = self.cluster.register(&own).await?;
        if registered != self.registered
            && let Registration::Missing(names) = &registered
        {
            tracing::warn!(
                names = names.join(", "),
                "APIServices are missing: nothing is passed on until they are made."
            );
        }
        self.registered = registered;
        Ok(())
    }
}

fn acceptor(tls: &Tls, trust: &Trust) -> Result<Acceptor, Error> {
    tls.with(trust).acceptor(&trust.names, &trust.headers)
}
