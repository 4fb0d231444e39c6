//! The gateway as its clients see it, on the in-memory bus.

mod access;
mod events;
mod logs;
mod nonsense;
mod objects;
mod ready;
mod server;
mod table;
mod tls;
mod watch;
mod watchers;

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, header};
use axum::response::Response;
use serde_json::{Value, json};
use tidemill_bus::{Bus, Memory, layout};
use tidemill_objects::{Objects, Options};
use tidemill_settings::Secret;

use crate::Settings;
use crate::app::{App, handle};

const TOKEN: &str = "the-token";
const RUNS: &str = "/apis/tekton.dev/v1/namespaces/default/taskruns";
const CONFIGS: &str = "/api/v1/namespaces/default/configmaps";

/// A gateway and the store behind it.
struct World {
    app: Arc<App>,
    bus: Bus,
    objects: Objects,
}

/// An answer whose body was read.
struct Answer {
    code: u16,
    headers: HeaderMap,
    body: Value,
}

fn settings() -> Settings {
    Settings {
        token: Secret::new(TOKEN),
        ..Settings::default()
    }
}

impl World {
    async fn new() -> Self {
        Self::with(settings()).await
    }

    async fn with(settings: Settings) -> Self {
        let memory = Memory::default();
        let bus = memory.connect();
        layout::ensure(&bus, &layout::Limits::default()).await.unwrap();
        let objects = Objects::start(memory.connect(), Options::default()).await.unwrap();
        objects.ready().await.unwrap();
        let app = Arc::new(App::new(settings, bus.clone(), objects.clone(), None));
        Self { app, bus, objects }
    }

    async fn send(&self, request: Request<Body>) -> Response {
        handle(State(self.app.clone()), request).await
    }

    async fn ask(&self, method: &str, path: &str, body: Option<(&str, Value)>) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
        let mut content = Body::empty();
        if let Some((media_type, value)) = body {
            request = request.header(header::CONTENT_TYPE, media_type);
            content = Body::from(value.to_string());
        }
        answer(self.send(request.body(content).unwrap()).await).await
    }

    /// The same as somebody else.
    async fn ask_as(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        let content = body.map_or_else(Body::empty, |value| Body::from(value.to_string()));
        answer(self.send(request.body(content).unwrap()).await).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).await
    }

    async fn post(&self, path: &str, value: Value) -> Answer {
        self.ask("POST", path, Some(("application/json", value))).await
    }

    async fn table(&self, path: &str) -> Answer {
        let request = Request::get(path)
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(
                header::ACCEPT,
                "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
            );
        answer(self.send(request.body(Body::empty()).unwrap()).await).await
    }
}

async fn answer(response: Response) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 64 << 20).await.unwrap();
    let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
    Answer {
        code: parts.status.as_u16(),
        headers: parts.headers,
        body: serde_json::from_slice(&bytes).unwrap_or_else(|_| text()),
    }
}

fn config(name: &str, datum: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"datum": datum}})
}

fn run(name: &str) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": {"name": name},
        "spec": {"taskSpec": {"steps": [
            {"name": "first", "image": "busybox", "script": "true"},
            {"name": "second", "image": "busybox", "script": "true"},
        ]}},
    })
}
