//! Listening and stopping.

mod extension;
mod listener;
mod tls;

pub(crate) use listener::{Peer, Proxy};
pub use tls::Tls;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tidemill_bus::Bus;
use tidemill_objects::Objects;
use tidemill_settings::Settings as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::access;
use crate::app::{App, handle};
use crate::cluster::{RemoteHeaders, record};
use crate::{Error, Settings};
use extension::Extension;
use listener::{Acceptors, Limited};

/// A gateway that listens but does not answer yet.
pub struct Gateway {
    app: Arc<App>,
    listener: TcpListener,
    address: SocketAddr,
    acceptors: Option<Acceptors>,
    /// Of a cluster, where it is a part of one.
    extension: Option<Extension>,
}

impl Gateway {
    /// Listens on the address of the settings; without `tls` and without certificate in the settings
    /// unencrypted. Requests are answered with 503 until `objects` are ready.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting that makes no sense, an address that is not loopback without
    /// encryption or leave, or a missing token; [`Error::Listen`] when the address is taken; those of a cluster it is
    /// to be a part of.
    pub async fn bind(settings: Settings, tls: Option<&Tls>, bus: Bus, objects: Objects) -> Result<Self, Error> {
        if let Some((key, message)) = settings.problems().into_iter().next() {
            return Err(Error::Setting { key, message });
        }
        if settings.token.expose().is_empty() {
            return Err(Error::Setting {
                key: "token",
                message: "is missing: nobody could ask anything".to_owned(),
            });
        }
        let own = Tls::of_files(&settings)?;
        let tls = own.as_ref().or(tls);
        let (extension, acceptors) = if settings.aggregated {
            let (extension, acceptors) = Extension::open(&settings, tls).await?;
            (Some(extension), Some(acceptors))
        } else {
            let acceptor = tls.map(|tls| tls.acceptor(&settings.proxy_names, &RemoteHeaders::default()));
            (None, acceptor.transpose()?.map(|acceptor| watch::channel(acceptor).1))
        };
        if acceptors.is_none() && !settings.listen.ip().is_loopback() && !settings.allow_remote {
            let message = format!(
                "{} is no loopback address; requests would travel unencrypted: name certificate and key, or set \
                 allow-remote if that is meant",
                settings.listen
            );
            return Err(Error::Setting { key: "listen", message });
        }
        let address = settings.listen;
        let fail = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self {
            app: Arc::new(App::new(
                settings,
                bus,
                objects,
                extension.as_ref().map(Extension::cluster),
            )),
            listener,
            address,
            acceptors,
            extension,
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
        let Self {
            app,
            listener,
            address,
            acceptors,
            extension,
        } = self;
        tracing::info!(%address, encrypted = acceptors.is_some(), aggregated = extension.is_some(), "The gateway answers.");
        let router = Router::new().fallback(handle).with_state(app.clone());
        let router = router.into_make_service_with_connect_info::<Peer>();
        let limited = Limited::new(listener, address, app.settings.connections, acceptors);
        match extension {
            Some(extension) => {
                let (cluster, bus, shutdown) = (extension.cluster(), app.bus.clone(), app.shutdown.clone());
                drop(tokio::spawn(async move { record(&cluster, bus, shutdown).await }));
                drop(tokio::spawn(extension.keep(
                    app.objects.clone(),
                    app.admitted.clone(),
                    app.shutdown.clone(),
                )));
            }
            // A cluster has roles of its own.
            None => drop(tokio::spawn(access::furnish(app.objects.clone(), app.shutdown.clone()))),
        }
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
