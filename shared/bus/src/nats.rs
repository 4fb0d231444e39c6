//! The real transport: a nats-server with JetStream.

mod api;
mod convert;
mod core;
mod deliver;
mod options;
mod outcome;
mod pack;
mod publish;
mod pull;
mod read_all;
mod reader;
mod session;
mod specs;
mod transport;

use std::sync::Arc;

use crate::{Bus, Connect, Error};
use session::Session;

/// How many bytes of a payload a nats-server stores: it may be compressed.
pub fn stored_bytes(payload: &[u8]) -> usize {
    let (name, value) = pack::HEADER;
    pack::pack(payload).map_or(payload.len(), |packed| packed.len() + name.len() + value.len() + 4)
}

impl Bus {
    /// Connects to a nats-server with JetStream; a connection that is lost later is made anew for
    /// ever. Call it within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Insecure`] for a remote address without TLS, [`Error::Invalid`] for a malformed one,
    /// [`Error::Disconnected`] when nobody answers within [`Connect::first_connection_timeout`] or
    /// the credentials are refused, [`Error::Unsupported`] when the server is older than 2.14.
    pub async fn connect(options: Connect) -> Result<Self, Error> {
        let session = Session::open(options).await?;
        session.check_level().await?;
        let transport = Arc::new(transport::Nats {
            session: Arc::new(session),
        });
        Ok(Self { transport })
    }
}
