//! One request: who asks, for what, in which form.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::request::Parts;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tidemill_bus::Bus;
use tidemill_objects::Objects;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::access::{self, Access, Action, Signer, User, review};
use crate::body::Content;
use crate::discovery::{self, Aggregated};
use crate::events;
use crate::logs::{self, Hub};
use crate::negotiate::Form;
use crate::openapi;
use crate::query::Parameters;
use crate::route::{self, Route, Target};
use crate::server::Peer;
use crate::settings::Settings;
use crate::status::{Refusal, json_response};
use crate::verbs::Call;

/// What all requests share.
pub(crate) struct App {
    pub(crate) settings: Settings,
    pub(crate) bus: Bus,
    pub(crate) objects: Objects,
    pub(crate) hub: Hub,
    pub(crate) access: Access,
    pub(crate) signer: Signer,
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
            access: Access::default(),
            signer: Signer::new(&settings.token),
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
        && let Some(answer) = open(app, parts, route)
    {
        return if parts.method == Method::GET || parts.method == Method::HEAD {
            answer
        } else {
            Err(Refusal::method())
        };
    }
    let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|info| &info.0);
    let user = access::authenticate(app, &parts.headers, peer)?;
    if user.is_anonymous() {
        return Err(Refusal::unauthorized());
    }
    let user = access::impersonated(&app.access, &app.objects, &parts.headers, user).await?;
    match route {
        Some(Route::Events(path)) => {
            let action = path.action(&parts.method, &Parameters::of(&parts.uri)?)?;
            app.access.check(&app.objects, &user, &action).await?;
            events::answer(app, parts, path).await
        }
        Some(Route::Objects(target)) => on_objects(app, parts, body, target, user).await,
        Some(Route::Review { kind, namespace }) => on_review(app, parts, body, kind, &namespace, &user).await,
        other => on_path(app, parts, other, &user).await,
    }
}

/// What anybody may ask: health, version, discovery.
fn open(app: &App, parts: &Parts, route: &Route) -> Option<Result<Response, Refusal>> {
    let form = Aggregated::of(&parts.headers);
    let value: Value = match route {
        Route::Live => return Some(Ok(text("ok"))),
        Route::Ready => return Some(app.objects.check_ready().map(|()| text("ok")).map_err(Refusal::from)),
        Route::Version => discovery::version(),
        Route::CoreVersions | Route::Groups => {
            let core = *route == Route::CoreVersions;
            return Some(Ok(match form {
                Some(form) => typed(&form.media_type(), &discovery::aggregated(form, core)),
                None if core => json_response(StatusCode::OK, &discovery::core_versions()),
                None => json_response(StatusCode::OK, &discovery::groups()),
            }));
        }
        Route::Group(name) => discovery::group(name),
        Route::Resources { group, version } => discovery::resources(group, version),
        Route::Events(path) => events::described(path)?,
        _ => return None,
    };
    Some(Ok(json_response(StatusCode::OK, &value)))
}

/// What is no resource: descriptions of what is served.
async fn on_path(app: &App, parts: &Parts, route: Option<Route>, user: &User) -> Result<Response, Refusal> {
    let action = Action {
        verb: parts.method.as_str().to_lowercase(),
        path: parts.uri.path().to_owned(),
        ..Action::default()
    };
    app.access.check(&app.objects, user, &action).await?;
    let found = match route {
        Some(Route::OpenApiSecond) => Some(openapi::second()),
        Some(Route::OpenApiIndex) => Some(json_response(StatusCode::OK, &openapi::index())),
        Some(Route::OpenApi(name)) => openapi::document(&name),
        _ => None,
    };
    match found {
        Some(_) if parts.method != Method::GET => Err(Refusal::method()),
        found => found.ok_or_else(Refusal::not_found),
    }
}

async fn on_review(
    app: &App,
    parts: &Parts,
    body: Body,
    kind: review::ReviewKind,
    namespace: &str,
    user: &User,
) -> Result<Response, Refusal> {
    if parts.method != Method::POST {
        return Err(Refusal::method());
    }
    let action = Action::on("create", kind.group, kind.plural, namespace, "");
    app.access.check(&app.objects, user, &action).await?;
    let content = Content::read(&parts.headers, body, app.settings.body.bytes()).await?;
    let asked = content.optional()?;
    let answer = review::answer(app, kind, namespace, user, asked).await?;
    Ok(json_response(StatusCode::CREATED, &answer))
}

async fn on_objects(app: &App, parts: &Parts, body: Body, target: Target, user: User) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&parts.uri)?;
    let action = Action::of(&parts.method, &target, &parameters)?;
    app.access.check(&app.objects, &user, &action).await?;
    let call = Call {
        app,
        parameters,
        form: Form::of(&parts.headers).or_else(|refusal| match target.subresource.as_deref() {
            // Logs are text, whatever the client accepts.
            Some("log") => Ok(Form::Object),
            _ => Err(refusal),
        })?,
        target,
        user,
        action,
    };
    let named = call.target.name.is_some();
    if parts.method == Method::GET || parts.method == Method::HEAD {
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
        (&Method::POST, true) if call.target.subresource.as_deref() == Some("token") => call.token(&content).await,
        (&Method::PUT, true) => call.update(&content).await,
        (&Method::PATCH, true) => call.patch(&content).await,
        (&Method::DELETE, true) => call.delete(&content).await,
        (&Method::DELETE, false) => call.delete_collection(&content).await,
        _ => Err(Refusal::method()),
    }
}

/// JSON of a type of its own.
fn typed(media_type: &str, value: &Value) -> Response {
    let mut response = json_response(StatusCode::OK, value);
    if let Ok(media_type) = media_type.parse() {
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    }
    response
}

fn text(text: &'static str) -> Response {
    Response::new(Body::from(text))
}
