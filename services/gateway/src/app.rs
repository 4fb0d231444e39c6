//! One request: who asks, for what, in which form.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tidemill_bus::Bus;
use tidemill_objects::Objects;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::body::Content;
use crate::logs::{self, Hub};
use crate::negotiate::Form;
use crate::query::Parameters;
use crate::route::{self, Route, Target};
use crate::settings::Settings;
use crate::status::{Refusal, json_response};
use crate::verbs::Call;
use crate::{auth, discovery, events};

/// What all requests share.
pub(crate) struct App {
    pub(crate) settings: Settings,
    pub(crate) bus: Bus,
    pub(crate) objects: Objects,
    pub(crate) hub: Hub,
    pub(crate) log_slots: Arc<Semaphore>,
    /// Ends watches and followed logs.
    pub(crate) shutdown: CancellationToken,
}

impl App {
    pub(crate) fn new(settings: Settings, bus: Bus, objects: Objects) -> Self {
        let shutdown = CancellationToken::new();
        Self {
            hub: Hub::new(bus.clone(), shutdown.clone()),
            log_slots: Arc::new(Semaphore::new(settings.log_readers)),
            shutdown,
            settings,
            bus,
            objects,
        }
    }
}

/// Answers a request.
pub(crate) async fn handle(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let answered = timeout(app.settings.request_timeout.duration(), answer(&app, &parts, body)).await;
    let answer =
        answered.unwrap_or_else(|_| Err(Refusal::timeout("the request took longer than gateway.request-timeout")));
    let response = answer.unwrap_or_else(IntoResponse::into_response);
    tracing::debug!(
        method = %parts.method, path = parts.uri.path(), code = response.status().as_u16(),
        "Answered a request."
    );
    response
}

async fn answer(app: &App, parts: &Parts, body: Body) -> Result<Response, Refusal> {
    let route = route::parse(parts.uri.path());
    if let Some(route) = &route
        && let Some(answer) = open(app, route)
    {
        return if parts.method == Method::GET {
            answer
        } else {
            Err(Refusal::method())
        };
    }
    if !auth::is_authorized(&parts.headers, &app.settings.token) {
        return Err(Refusal::unauthorized());
    }
    match route {
        Some(Route::Events(path)) => events::answer(app, parts, path).await,
        Some(Route::Objects(target)) => on_objects(app, parts, body, target).await,
        _ => Err(Refusal::not_found()),
    }
}

/// What anybody may ask: health, version, discovery.
fn open(app: &App, route: &Route) -> Option<Result<Response, Refusal>> {
    let value: Value = match route {
        Route::Live => return Some(Ok(text("ok"))),
        Route::Ready => return Some(app.objects.check_ready().map(|()| text("ok")).map_err(Refusal::from)),
        Route::Version => discovery::version(),
        Route::CoreVersions => discovery::core_versions(),
        Route::Groups => discovery::groups(),
        Route::Group(name) => discovery::group(name),
        Route::Resources { group, version } => discovery::resources(group, version),
        Route::Events(path) => events::discovery(path)?,
        Route::Objects(_) => return None,
    };
    Some(Ok(json_response(StatusCode::OK, &value)))
}

async fn on_objects(app: &App, parts: &Parts, body: Body, target: Target) -> Result<Response, Refusal> {
    let call = Call {
        app,
        parameters: Parameters::of(&parts.uri)?,
        form: Form::of(&parts.headers).or_else(|refusal| match target.subresource.as_deref() {
            // Logs are text, whatever the client accepts.
            Some("log") => Ok(Form::Object),
            _ => Err(refusal),
        })?,
        target,
    };
    let named = call.target.name.is_some();
    if parts.method == Method::GET {
        return match (named, call.target.subresource.as_deref()) {
            (true, Some("log")) if call.target.is_pod() => logs::open(&call).await,
            (true, _) => call.get().await,
            (false, _) if call.parameters.flag("watch")? => call.watch().await,
            (false, _) => call.list().await,
        };
    }
    if call.target.is_pod() {
        // Pods are made from task runs; who wants to change them changes those.
        return Err(Refusal::method());
    }
    let content = Content::read(&parts.headers, body, app.settings.body.bytes()).await?;
    match (&parts.method, named) {
        (&Method::POST, false) => call.create(&content).await,
        (&Method::PUT, true) => call.update(&content).await,
        (&Method::PATCH, true) => call.patch(&content).await,
        (&Method::DELETE, true) => call.delete(&content).await,
        (&Method::DELETE, false) => call.delete_collection(&content).await,
        _ => Err(Refusal::method()),
    }
}

fn text(text: &'static str) -> Response {
    Response::new(Body::from(text))
}
