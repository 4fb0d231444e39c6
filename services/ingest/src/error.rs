//! What can go wrong in ingest.

use std::net::SocketAddr;

use tidemill_bus::{Retry, blob};

/// A failure of ingest.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting that makes no sense.
    #[error("ingest.{key} {message}")]
    Setting {
        /// Its key.
        key: &'static str,
        /// What is wrong, and what was expected.
        message: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: set ingest.listen to a free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// The cluster in which Services are to be kept is not there.
    #[error(
        "no cluster to keep the Services of EventListeners in: run in a pod, set KUBECONFIG, or leave out ingest.service"
    )]
    Cluster(#[source] Box<kube::Error>),
    /// A Secret of the cluster cannot be read.
    #[error("Secret {name} of the cluster cannot be read: ingest needs the right to get Secrets there")]
    Secret {
        /// Its namespace and name.
        name: String,
        /// The cluster's words.
        #[source]
        source: Box<kube::Error>,
    },
    /// Connections could not be served any more.
    #[error("connections cannot be served any more")]
    Serve(#[source] std::io::Error),
    /// A body that cannot be evaluated.
    #[error(transparent)]
    Body(tidemill_triggers::Error),
    /// The system gives no randomness.
    #[error("the system gives no random numbers, so nothing can be sealed")]
    Random,
    /// A sealed value that cannot be opened.
    #[error("a stored credential cannot be opened: it was sealed with another ingest.seal-key")]
    Sealed,
    /// The bus failed.
    #[error("the bus failed")]
    Bus(#[from] tidemill_bus::Error),
    /// A large payload could not be stored or read.
    #[error("a large payload could not be stored or read")]
    Blob(#[from] blob::Error),
    /// A payload could not be written or read.
    #[error("a payload could not be written or read")]
    Payload(#[from] tidemill_messages::Error),
    /// An object could not be read or written.
    #[error("an object could not be read or written")]
    Objects(#[from] tidemill_objects::Error),
    /// There is no room for more events.
    #[error("there is no room for {subject}: {limit}; raise the limits of stream `events`")]
    Full {
        /// What should have been stored.
        subject: String,
        /// Which limit, in the server's words.
        limit: String,
    },
    /// Something that was stored cannot be evaluated, now or later.
    #[error("the event cannot be evaluated: {reason}")]
    Poison {
        /// Why.
        reason: String,
    },
    /// An evaluation ended by a fault of its own.
    #[error("the evaluation ended by a fault of its own")]
    Panicked,
    /// Too many events wait for the answer of an interceptor already.
    #[error("too many events wait for the answer of {url} already")]
    Busy {
        /// Its address.
        url: String,
    },
    /// Others wrote first, again and again.
    #[error("others wrote the outcome first, {rounds} times in a row")]
    Contended {
        /// How often it was tried.
        rounds: u32,
    },
    /// Ingest is shutting down.
    #[error("ingest is shutting down")]
    Stopping,
}

impl Error {
    /// Whether the same call may succeed later, without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Bus(error) | Self::Blob(blob::Error::Bus { source: error, .. }) => error.retry() != Retry::Never,
            Self::Objects(error) => error.is_transient(),
            Self::Contended { .. } | Self::Secret { .. } | Self::Cluster(_) => true,
            _ => false,
        }
    }
}
