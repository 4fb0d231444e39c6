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
    /// Serving failed.
    #[error("the gateway cannot go on serving")]
    Serve(#[source] std::io::Error),
}
