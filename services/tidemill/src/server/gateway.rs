//! Where the gateway listens: the same place each time, as clients know it.

use std::net::{Ipv4Addr, SocketAddr};

use tidemill_bus::Bus;
use tidemill_gateway::{Gateway, Settings};
use tidemill_objects::Objects;

use crate::error::Error;
use crate::state::StateDir;

/// Binds the gateway: where the command line or the settings say, and there only; else where it was
/// the last time; else to a free port of loopback.
///
/// # Errors
/// [`Error::Service`].
pub(super) async fn bind(
    settings: &Settings,
    listen: Option<SocketAddr>,
    state: &StateDir,
    bus: &Bus,
    objects: &Objects,
) -> Result<Gateway, Error> {
    let on = |listen| {
        let settings = Settings {
            listen,
            ..settings.clone()
        };
        Gateway::bind(settings, bus.clone(), objects.clone())
    };
    let set = Some(settings.listen).filter(|set| *set != Settings::default().listen);
    if let Some(address) = listen.or(set) {
        return on(address).await.map_err(Error::service("gateway"));
    }
    if let Some(before) = state.last_address()
        && let Ok(gateway) = on(before).await
    {
        return Ok(gateway);
    }
    on((Ipv4Addr::LOCALHOST, 0).into())
        .await
        .map_err(Error::service("gateway"))
}
