//! One request: who asks, for what, in which form.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::request::Parts;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tidemill_bus::Bus;
use tidemill_messages::Traceparent;
use tidemill_messages::envelope::TRACEPARENT;
use tidemill_objects::Objects;
use tidemill_telemetry::request::Request as Traced;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::access::{self, Access, Action, Signer, User, review};
use crate::body::Content;
use crate::cluster::Cluster;
use crate::discovery::{self, Aggregated, Offer};
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
    /// Whether its cluster, if it is a part of one, takes its answers for true.
    pub(crate) admitted: Arc<AtomicBool>,
    /// Ends watches and followed logs.
    pub(crate) shutdown: CancellationToken,
}

impl App {
    pub(crate) fn new(settings: Settings, bus: Bus, objects: Objects, cluster: Option<Arc<Cluster>>) -> Self {
        let shutdown = CancellationToken::new();
        Self {
            hub: Hub::new(bus.clone(), shutdown.clone()),
            log_slots: Arc::new(Semaphore::new(settings.log_readers)),
            admitted: Arc::new(AtomicBool::new(cluster.is_none())),
            access: Access::new(cluster),
            signer: Signer::new(&settings.token),
            shutdown,
            settings,
            bus,
            objects,
        }
    }

    /// # Errors
    /// 503 until the objects are those to be served, and known.
    fn check_ready(&self) -> Result<(), Refusal> {
        self.objects.check_ready()?;
        if self.admitted.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(Refusal::unavailable(
            "the gateway is not yet, or not any more, what the cluster's APIServices stand for; its log says why",
        ))
    }

    /// What is served here: in a cluster what it has not of its own.
    pub(crate) fn offer(&self) -> Offer {
        match self.access.cluster() {
            Some(_) => Offer::Extension,
            None => Offer::Everything,
        }
    }
}

/// Answers a request.
pub(crate) async fn handle(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let (mut parts, body) = request.into_parts();
    let traceparent = parts.headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let traced = Traced::begin(parts.method.as_str(), parts.uri.path(), traceparent);
    parts.extensions.insert(traced.traceparent());
    let answered = timeout(app.settings.request_timeout.duration(), answer(&app, &parts, body)).await;
    let answer =
        answered.unwrap_or_else(|_| Err(Refusal::timeout("the request took longer than gateway.request-timeout")));
    let response = answer.unwrap_or_else(IntoResponse::into_response);
    tracing::debug!(
        method = %parts.method, path = parts.uri.path(), code = response.status().as_u16(),
        "Answered a request."
    );
    traced.end(response.status().as_u16());
    response
}

async fn answer(app: &App, parts: &Parts, body: Body) -> Result<Response, Refusal> {
    let route = route::parse(parts.uri.path()).filter(|route| app.offer().has_route(route));
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
    let user = access::authenticate(app, &parts.headers, peer).await?;
    if user.is_anonymous() {
        return Err(Refusal::unauthorized());
    }
    let user = access::impersonated(&app.access, &app.objects, &parts.headers, user).await?;
    if matches!(route, Some(Route::Events(_) | Route::Objects(_))) {
        app.check_ready()?;
    }
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
        Route::Ready => return Some(app.check_ready().map(|()| text("ok"))),
        Route::Version => discovery::version(),
        Route::CoreVersions | Route::Groups => {
            let core = *route == Route::CoreVersions;
            return Some(Ok(match form {
                Some(form) => typed(&form.media_type(), &discovery::aggregated(form, core, app.offer())),
                None if core => json_response(StatusCode::OK, &discovery::core_versions()),
                None => json_response(StatusCode::OK, &discovery::groups(app.offer())),
            }));
        }
        Route::Group(name) => discovery::group(name),
        Route::Resources { group, version } => discovery::resources(group, version, app.offer()),
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
        Some(Route::OpenApiSecond) => Some(openapi::second(app.offer())),
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
        agent: agent(parts),
        traceparent: parts.extensions.get::<Option<Traceparent>>().copied().flatten(),
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

/// What the client calls itself.
fn agent(parts: &Parts) -> String {
    let agent = parts.headers.get(header::USER_AGENT);
    agent
        .and_then(|agent| agent.to_str().ok())
        .unwrap_or_default()
        .to_owned()
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
