//! Where the gateway listens: the same place each time, as clients know it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tidemill_bus::Bus;
use tidemill_gateway::{Gateway, Settings};
use tidemill_objects::Objects;

use crate::error::Error;
use crate::state::{Authority, StateDir};

/// A gateway that listens, and how clients find and know it.
pub(super) struct Bound {
    pub(super) gateway: Gateway,
    /// `https://host:port`.
    pub(super) address: String,
    /// The authority that signed its certificate, in PEM; `None` when the settings name a certificate.
    pub(super) authority: Option<String>,
}

/// Binds the gateway: where the command line or the settings say, and there only; else where it was
/// the last time; else to a free port of loopback. Without a certificate in the settings it gets one
/// from the state directory's authority, or from one that all gateways of a cluster have.
///
/// # Errors
/// [`Error::Service`], and those of the authority.
pub(super) async fn bind(
    settings: &Settings,
    listen: Option<SocketAddr>,
    state: &StateDir,
    bus: &Bus,
    objects: &Objects,
) -> Result<Bound, Error> {
    let authority = match settings.certificate {
        // Several of them are one to a cluster.
        None if settings.aggregated => Some(Authority::of_seed(&settings.derive("authority of certificates"))?),
        None => Some(state.authority(today(bus))?),
        Some(_) => None,
    };
    let on = async |listen: SocketAddr| {
        let hosts: Vec<String> = host().into_iter().chain(settings.hosts()).collect();
        let certificate = authority
            .as_ref()
            .map(|authority| authority.server(listen.ip(), &hosts, today(bus)))
            .transpose()?;
        let settings = Settings {
            listen,
            ..settings.clone()
        };
        let bound = Gateway::bind(settings, certificate.as_ref(), bus.clone(), objects.clone()).await;
        let gateway = bound.map_err(Error::service("gateway"))?;
        Ok(Bound {
            address: format!("https://{}", reachable(gateway.local_addr())),
            gateway,
            authority: authority.as_ref().map(|authority| authority.certificate().to_owned()),
        })
    };
    let set = Some(settings.listen).filter(|set| *set != Settings::default().listen);
    if let Some(address) = listen.or(set) {
        return on(address).await;
    }
    if let Some(before) = state.last_address()
        && let Ok(bound) = on(before).await
    {
        return Ok(bound);
    }
    on((Ipv4Addr::LOCALHOST, 0).into()).await
}

/// Who listens everywhere is found on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (std::net::Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

fn host() -> Option<String> {
    rustix::system::uname().nodename().to_str().ok().map(str::to_owned)
}

fn today(bus: &Bus) -> jiff::civil::Date {
    bus.now().to_zoned(jiff::tz::TimeZone::UTC).date()
}
