//! Where webhooks come in: the usual place, else any free one.

use std::net::{Ipv4Addr, SocketAddr};

use tidemill_bus::Bus;
use tidemill_ingest::{Ingest, Settings};
use tidemill_objects::Objects;

use crate::error::Error;

/// Binds ingest where the settings say, and there only; else at the default address, or at a free
/// port of loopback when that is taken.
///
/// # Errors
/// [`Error::Service`].
pub(super) async fn bind(settings: &Settings, bus: &Bus, objects: &Objects) -> Result<Ingest, Error> {
    let on = |listen: SocketAddr| {
        let settings = Settings {
            listen,
            ..settings.clone()
        };
        Ingest::bind(settings, bus.clone(), objects.clone())
    };
    let bound = match on(settings.listen).await {
        Err(tidemill_ingest::Error::Listen { .. }) if settings.listen == Settings::default().listen => {
            on((Ipv4Addr::LOCALHOST, 0).into()).await
        }
        bound => bound,
    };
    bound.map_err(Error::service("ingest"))
}
