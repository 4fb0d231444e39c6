//! What a process says of itself over HTTP: metrics, and its log's level.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{StatusCode, header};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Chain, log, metrics};

/// Longest log filter.
const FILTER_BYTES_MAX: usize = 4096;

/// Answers `GET /metrics` (Prometheus' text form), `GET /log` (the log's filter) and, to who asks from this machine
/// or pod (`kubectl port-forward` does), `PUT /log` (a new one), until `shutdown`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, shutdown: CancellationToken) -> Result<(), std::io::Error> {
    let level = get(|| async { log::filter_now() }).put(change);
    let form = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    let app = Router::new()
        .route("/metrics", get(move || async move { (form, metrics::render()) }))
        .route(
            "/log",
            level.layer(axum::extract::DefaultBodyLimit::max(FILTER_BYTES_MAX)),
        );
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move { shutdown.cancelled().await })
        .await
}

async fn change(ConnectInfo(peer): ConnectInfo<SocketAddr>, filter: String) -> (StatusCode, String) {
    if !peer.ip().to_canonical().is_loopback() {
        let message = "the log's filter is changed from the same machine or pod only (kubectl port-forward)\n";
        return (StatusCode::FORBIDDEN, message.to_owned());
    }
    match log::change(filter.trim()) {
        Ok(()) => (StatusCode::OK, format!("{}\n", filter.trim())),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{}\n", Chain(&error))),
    }
}
