//! Ingest as its senders see it, on the in-memory bus.

mod again;
mod crash;
mod emit;
mod evaluation;
mod http;
mod interceptors;
mod limits;
mod notices;
mod schedules;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request};
use serde_json::{Value, json};
use tidemill_bus::{Bus, Memory, Stored, layout};
use tidemill_messages::event::Outcome;
use tidemill_messages::stream::EVENTS;
use tidemill_messages::subject;
use tidemill_objects::{ListQuery, Objects, Options, Scope};
use tidemill_resources::Object;
use tidemill_settings::Secret;

use crate::app::App;
use crate::server::handle;
use crate::{Error, Settings, record};

/// Ends ingest after so many writes, as `kill -9` would.
pub(crate) struct Crash {
    writes_left: AtomicUsize,
}

impl Default for Crash {
    fn default() -> Self {
        Self {
            writes_left: AtomicUsize::new(usize::MAX),
        }
    }
}

impl Crash {
    pub(crate) fn after(&self, writes: usize) {
        self.writes_left.store(writes, Ordering::Relaxed);
    }

    pub(crate) fn after_write(&self) -> Result<(), Error> {
        let left = self.writes_left.fetch_sub(1, Ordering::Relaxed);
        if left == 1 { Err(Error::Stopping) } else { Ok(()) }
    }
}

/// Ingest and the store behind it.
struct World {
    app: Arc<App>,
    memory: Memory,
    bus: Bus,
    objects: Objects,
}

struct Answer {
    code: u16,
    headers: HeaderMap,
    body: Value,
}

fn settings() -> Settings {
    Settings {
        seal_key: Secret::new("ab".repeat(32)),
        listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        ..Settings::default()
    }
}

const TOKEN: &str = "s3cret-token";

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
        furnish(&objects).await;
        let app = Arc::new(App::new(settings, bus.clone(), objects.clone()).unwrap());
        Self {
            app,
            memory,
            bus,
            objects,
        }
    }

    async fn send(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method("POST").uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = handle(State(self.app.clone()), request.body(body.into()).unwrap()).await;
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        Answer {
            code: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }

    /// A push of GitLab with the given token and delivery.
    async fn push(&self, token: &str, delivery: &str) -> Answer {
        let headers = [
            ("X-Gitlab-Event", "Push Hook"),
            ("X-Gitlab-Token", token),
            ("Idempotency-Key", delivery),
        ];
        self.send("/default/git", &headers, push("main").to_string()).await
    }

    async fn events(&self) -> Vec<Stored> {
        self.bus.read_all(EVENTS, subject::ALL_EVENTS, 0, false).await.unwrap()
    }

    async fn outcome(&self, event: &Stored) -> Option<Outcome> {
        let subject = subject::outcome_of_event(&event.subject).unwrap();
        record::last(&self.bus, &subject)
            .await
            .unwrap()
            .map(|(_, outcome)| outcome)
    }

    async fn made(&self) -> Vec<Object> {
        let query = ListQuery {
            scope: Scope::new("", "configmaps", Some("default")),
            ..ListQuery::default()
        };
        let all = self.objects.list(&query).await.unwrap().items;
        all.into_iter()
            .filter(|object| object.name().starts_with("made-"))
            .collect()
    }
}

/// A listener `git` that makes two ConfigMaps of a push with the right token.
async fn furnish(objects: &Objects) {
    let template = json!({
        "params": [{"name": "sha"}],
        "resourcetemplates": [one("made-a-"), one("made-b-")],
    });
    let trigger = json!({
        "name": "push",
        "interceptors": [{"ref": {"name": "gitlab"}, "params": [
            {"name": "secretRef", "value": {"secretName": "git", "secretKey": "token"}},
            {"name": "eventTypes", "value": ["Push Hook"]},
        ]}, {"ref": {"name": "cel"}, "params": [{"name": "filter", "value": "body.ref == 'refs/heads/main'"}]}],
        "bindings": [{"name": "sha", "value": "$(body.checkout_sha)"}],
        "template": {"ref": "all"},
    });
    let kinds = "triggers.tekton.dev/v1beta1";
    for object in [
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "git"}, "stringData": {"token": TOKEN}}),
        json!({"apiVersion": kinds, "kind": "TriggerTemplate", "metadata": {"name": "all"}, "spec": template}),
        json!({"apiVersion": kinds, "kind": "EventListener", "metadata": {"name": "git"}, "spec": {"triggers": [trigger]}}),
    ] {
        objects.create_with(object, Default::default()).await.unwrap();
    }
}

fn one(prefix: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": prefix},
        "data": {"sha": "$(tt.params.sha)"},
    })
}

fn push(branch: &str) -> Value {
    json!({
        "ref": format!("refs/heads/{branch}"), "checkout_sha": "3f2c1aa9d0b5",
        "project": {"path_with_namespace": "course/demo"}, "commits": [{"message": "Grüße"}],
    })
}

async fn wait_until(condition: impl AsyncFnMut() -> bool) {
    assert!(within(Duration::from_secs(60), condition).await);
}

async fn within(limit: Duration, mut condition: impl AsyncFnMut() -> bool) -> bool {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(limit, waiting).await.is_ok()
}
