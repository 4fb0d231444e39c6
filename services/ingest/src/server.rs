//! Listening, evaluating, stopping.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request};
use axum::response::{IntoResponse, Response};
use tidemill_bus::Bus;
use tidemill_objects::Objects;
use tidemill_settings::Settings as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::{Error, Settings, emit, exposed, intake, listeners, notice, schedule, status, worker};

/// Ingest that listens but does not answer yet.
pub struct Ingest {
    app: Arc<App>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Ingest {
    /// Listens on the address of the settings. Until `objects` are ready, events are answered 503.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting that makes no sense or a missing key, [`Error::Listen`] when
    /// the address is taken.
    pub async fn bind(settings: Settings, bus: Bus, objects: Objects) -> Result<Self, Error> {
        if let Some((key, message)) = settings.problems().into_iter().next() {
            return Err(Error::Setting { key, message });
        }
        let address = settings.listen;
        let app = Arc::new(App::new(settings, bus, objects)?);
        let fail = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self { app, listener, address })
    }

    /// The address, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Takes events in and evaluates them until `shutdown`, then finishes what is under way, for as
    /// long as the settings say. Dropping it instead ends it as a crash would.
    ///
    /// # Errors
    /// [`Error::Serve`]; [`Error::Bus`] without streams.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { app, listener, address } = self;
        let _end = app.stopping.clone().drop_guard();
        tracing::info!(%address, "Webhooks are taken in.");
        let router = Router::new().fallback(handle).with_state(app.clone());
        let stop = shutdown.clone();
        let serving = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
            .with_graceful_shutdown(async move { stop.cancelled().await });
        let stopping = async {
            shutdown.cancelled().await;
            app.stopping.cancel();
            tokio::time::sleep(app.settings.stop_grace.duration()).await;
        };
        let work = async {
            let serving = async { serving.await.map_err(Error::Serve) };
            let telling = async {
                status::run(app.clone()).await;
                Ok(())
            };
            tokio::try_join!(
                serving,
                worker::run(app.clone()),
                notice::run(&app),
                listeners::run(app.clone()),
                schedule::run(app.clone()),
                telling,
                listeners::tell_sinks(app.clone()),
                emit::run(app.clone()),
                exposed::run(app.clone()),
            )
            .map(|_| ())
        };
        // Without evaluation nothing should be taken in: whichever fails ends both.
        tokio::select! {
            ended = work => ended,
            () = stopping => {
                tracing::warn!("Events were under way when ingest stopped; they are evaluated by the next one.");
                Ok(())
            }
        }
    }
}

/// Answers a request.
pub(crate) async fn handle(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    if parts.uri.path() == "/live" && parts.method == Method::GET {
        return "ok".into_response();
    }
    let answer = intake::receive(&app, &parts, body).await;
    if let Err(refusal) = &answer {
        notice::refused(&app, &parts, refusal);
    }
    let response = answer.map_or_else(IntoResponse::into_response, IntoResponse::into_response);
    tracing::debug!(
        path = parts.uri.path(),
        code = response.status().as_u16(),
        "Answered a request."
    );
    response
}
