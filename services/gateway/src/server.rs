//! Listening and stopping.

mod listener;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tidemill_bus::Bus;
use tidemill_objects::Objects;
use tidemill_settings::Settings as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::{App, handle};
use crate::{Error, Settings};
use listener::Limited;

/// A gateway that listens but does not answer yet.
pub struct Gateway {
    app: Arc<App>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Gateway {
    /// Listens on the address of the settings. Requests are answered with 503 until `objects` are ready.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting that makes no sense, an address that is not loopback without
    /// leave, or a missing token; [`Error::Listen`] when the address is taken.
    pub async fn bind(settings: Settings, bus: Bus, objects: Objects) -> Result<Self, Error> {
        if let Some((key, message)) = settings.problems().into_iter().next() {
            return Err(Error::Setting { key, message });
        }
        if settings.token.expose().is_empty() {
            return Err(Error::Setting {
                key: "token",
                message: "is missing: nobody could ask anything".to_owned(),
            });
        }
        let address = settings.listen;
        let fail = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self {
            app: Arc::new(App::new(settings, bus, objects)),
            listener,
            address,
        })
    }

    /// The address, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `shutdown`; then ends watches and logs, and waits for the requests
    /// under way, at most as long as the settings say.
    ///
    /// # Errors
    /// [`Error::Serve`].
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { app, listener, address } = self;
        tracing::info!(%address, "The gateway answers.");
        let router = Router::new().fallback(handle).with_state(app.clone());
        let limited = Limited::new(listener, app.settings.connections);
        let stop = shutdown.clone();
        let serving = axum::serve(limited, router).with_graceful_shutdown(async move { stop.cancelled().await });
        let drain = async {
            shutdown.cancelled().await;
            app.shutdown.cancel();
            tokio::time::sleep(app.settings.stop_grace.duration()).await;
        };
        tokio::select! {
            served = async { serving.await } => served.map_err(Error::Serve),
            () = drain => {
                tracing::warn!("Requests were under way when the gateway stopped.");
                Ok(())
            }
        }
    }
}
