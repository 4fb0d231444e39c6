//! What can go wrong in the deployer.

use tidemill_bus::{Retry, blob};

/// A failure of the deployer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting that makes no sense.
    #[error("deployer.{key} {message}")]
    Setting {
        /// Its key.
        key: &'static str,
        /// What is wrong, and what was expected.
        message: String,
    },
    /// There is no usable kubeconfig.
    #[error("no cluster: set deployer.kubeconfig to a kubeconfig that can be used")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// There is no usable configuration of a cluster.
    #[error("no cluster: set KUBECONFIG or deployer.kubeconfig, or run inside a cluster")]
    Config(#[from] kube::config::InferConfigError),
    /// The cluster did not do what it was asked for.
    #[error("the cluster failed to {what}")]
    Cluster {
        /// What was asked for.
        what: String,
        /// The client's words.
        #[source]
        source: Box<kube::Error>,
    },
    /// A record that cannot be read or written.
    #[error("the record of release {release}, revision {revision}")]
    Record {
        /// Which release.
        release: String,
        /// Which revision.
        revision: u32,
        /// What is wrong with it.
        #[source]
        source: crate::record::Error,
    },
    /// The bus failed.
    #[error("the bus failed")]
    Bus(#[from] tidemill_bus::Error),
    /// A large payload could not be read.
    #[error("a large payload could not be read")]
    Blob(#[from] blob::Error),
    /// A payload could not be written or read.
    #[error("a payload could not be written or read")]
    Payload(#[from] tidemill_messages::Error),
    /// An object could not be read or written.
    #[error("an object could not be read or written")]
    Objects(#[from] tidemill_objects::Error),
    /// A part of the deployer ended by a fault of its own.
    #[error("a part of the deployer ended by a fault of its own: {part}")]
    Panicked {
        /// Which.
        part: &'static str,
    },
    /// The deployer is shutting down.
    #[error("the deployer is shutting down")]
    Stopping,
}

impl Error {
    /// A call of the cluster that failed.
    pub(crate) fn cluster(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Cluster {
            what,
            source: Box::new(source),
        }
    }

    /// Whether the same call may succeed later, without anybody changing anything. Rights that are
    /// missing count as such: whoever grants them expects the deployer to go on.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Bus(error) | Self::Blob(blob::Error::Bus { source: error, .. }) => error.retry() != Retry::Never,
            Self::Objects(error) => error.is_transient(),
            Self::Cluster { .. } => true,
            _ => false,
        }
    }

    /// Whether somebody else wrote the object first.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Cluster { source, .. } if matches!(&**source, kube::Error::Api(status) if status.code == 409))
    }
}
