//! What a process tells of itself and of what is stored.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tidemill_bus::Bus;
use tidemill_telemetry::export::Exporter;
use tidemill_telemetry::metrics::{Pusher, catalogue};
use tidemill_telemetry::settings::Settings;
use tidemill_telemetry::{admin, request};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::parts::Parts;
use crate::error::Error;

/// Answers and sends metrics, and sends spans of requests, where settings ask for it.
///
/// # Errors
/// [`Error::Service`] for an address that is none, or taken.
pub(super) async fn attend(settings: &Settings, parts: &mut Parts) -> Result<(), Error> {
    catalogue::BUILD_INFO.of(&[env!("CARGO_PKG_VERSION")]).set(1);
    if let Some(address) = settings.listen {
        let listener = TcpListener::bind(address).await.map_err(Error::service("metrics"))?;
        parts.front("metrics", |shutdown| admin::serve(listener, shutdown));
    }
    if settings.is_on() {
        let exporter = Arc::new(Exporter::new(settings).map_err(Error::service("telemetry"))?);
        parts.front("request spans", |shutdown| request::send(exporter, shutdown));
    }
    if settings.pushes_metrics() {
        let pusher = Pusher::new(settings, Timestamp::now())
            .map_err(|error| Error::service("metrics")(std::io::Error::other(error)))?;
        let interval = settings.interval.duration();
        parts.front("metrics export", |shutdown| push(pusher, interval, shutdown));
    }
    Ok(())
}

/// Sends metrics every `interval`, and at the end.
async fn push(pusher: Pusher, interval: Duration, shutdown: CancellationToken) -> Result<(), std::io::Error> {
    let mut is_down = false;
    loop {
        let ends = tokio::select! {
            () = shutdown.cancelled() => true,
            () = tokio::time::sleep(interval) => false,
        };
        match pusher.push(Timestamp::now()).await {
            Ok(()) => is_down = false,
            // The next time says all of it again.
            Err(error) if !std::mem::replace(&mut is_down, true) => {
                tracing::warn!(%error, "The collector does not take metrics.");
            }
            Err(_) => {}
        }
        if ends {
            return Ok(());
        }
    }
}

/// Starts the tracer if an endpoint is set. It is a front: what runs end with while the server stops is
/// told of as well.
///
/// # Errors
/// [`Error::Service`] for an endpoint that is none.
pub(super) fn trace(settings: &Settings, bus: &Bus, parts: &mut Parts) -> Result<(), Error> {
    if !settings.is_on() {
        return Ok(());
    }
    let exporter = Arc::new(Exporter::new(settings).map_err(Error::service("tracer"))?);
    let patience = settings.patience.duration();
    parts.front("tracer", |shutdown| {
        tidemill_tracer::run(bus.clone(), exporter, patience, shutdown)
    });
    Ok(())
}
