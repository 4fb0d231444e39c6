//! Watches over HTTP.

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, header};
use futures::StreamExt as _;
use serde_json::Value;

use super::{CONFIGS, RUNS, TOKEN, World, config, run};

/// The lines of a streamed body.
pub(super) struct Lines {
    stream: BodyDataStream,
    buffer: Vec<u8>,
}

impl Lines {
    pub(super) fn of(body: Body) -> Self {
        Self {
            stream: body.into_data_stream(),
            buffer: Vec::new(),
        }
    }

    /// The next line; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            match self.stream.next().await {
                Some(piece) => self.buffer.extend_from_slice(&piece.unwrap()),
                None => return None,
            }
        }
    }

    async fn event(&mut self) -> (String, Value) {
        let event: Value = serde_json::from_str(&self.next().await.unwrap()).unwrap();
        (event["type"].as_str().unwrap().to_owned(), event["object"].clone())
    }
}

async fn watch(world: &World, path: &str, accept: &str) -> Lines {
    let request = Request::get(path)
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
        .header(header::ACCEPT, accept);
    let response = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), 200, "{path}");
    Lines::of(response.into_body())
}

#[tokio::test(start_paused = true)]
async fn events_are_lines() {
    let world = World::new().await;
    let list = world.get(CONFIGS).await.body;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    let mut lines = watch(&world, &format!("{CONFIGS}?watch=1&resourceVersion={version}"), "*/*").await;
    world.post(CONFIGS, config("a", "1")).await;
    world.ask("DELETE", &format!("{CONFIGS}/a"), None).await;
    let (kind, object) = lines.event().await;
    assert_eq!(
        (kind.as_str(), &object["metadata"]["name"]),
        ("ADDED", &Value::from("a"))
    );
    let (kind, object) = lines.event().await;
    assert_eq!(
        (kind.as_str(), &object["data"]["datum"]),
        ("DELETED", &Value::from("1"))
    );
}

#[tokio::test(start_paused = true)]
async fn client_go_gets_its_initial_events() {
    let world = World::new().await;
    world.post(CONFIGS, config("a", "1")).await;
    let path = format!(
        "{CONFIGS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=40"
    );
    let mut lines = watch(&world, &path, "application/json").await;
    assert_eq!(lines.event().await.0, "ADDED");
    let (kind, bookmark) = lines.event().await;
    assert_eq!(kind, "BOOKMARK");
    assert_eq!(bookmark["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(bookmark["kind"], "ConfigMap");
    let (kind, bookmark) = lines.event().await;
    assert_eq!(
        (kind.as_str(), bookmark["metadata"]["annotations"].is_null()),
        ("BOOKMARK", true)
    );
    assert_eq!(lines.next().await, None, "the time limit the client asked for");
}

#[tokio::test(start_paused = true)]
async fn kubectl_watches_tables() {
    let world = World::new().await;
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let mut lines = watch(&world, &format!("{CONFIGS}?watch=true"), table).await;
    world.post(CONFIGS, config("a", "1")).await;
    let (kind, object) = lines.event().await;
    assert_eq!((kind.as_str(), &object["kind"]), ("ADDED", &Value::from("Table")));
    assert_eq!(object["rows"][0]["cells"][0], "a");
    assert!(object["metadata"]["resourceVersion"].is_string());
}

#[tokio::test(start_paused = true)]
async fn watches_end_when_the_server_stops() {
    let world = World::new().await;
    let mut lines = watch(&world, &format!("{CONFIGS}?watch=true"), "*/*").await;
    world.app.shutdown.cancel();
    assert_eq!(lines.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn pods_are_watched_through_their_task_runs() {
    let world = World::new().await;
    let pods = "/api/v1/namespaces/default/pods";
    world.post(RUNS, run("b")).await;
    let made = world.post(RUNS, run("a")).await.body;
    let version = made["metadata"]["resourceVersion"].as_str().unwrap();
    let query = format!("watch=true&fieldSelector=metadata.name%3Da-pod&resourceVersion={version}");
    let mut lines = watch(&world, &format!("{pods}?{query}"), "*/*").await;
    let start = serde_json::json!({"status": {"startTime": "2026-01-01T00:00:00Z"}});
    let merge = "application/merge-patch+json";
    for name in ["b", "a"] {
        world
            .ask("PATCH", &format!("{RUNS}/{name}/status"), Some((merge, start.clone())))
            .await;
    }
    let (kind, pod) = lines.event().await;
    assert_eq!(
        (kind.as_str(), &pod["metadata"]["name"]),
        ("MODIFIED", &Value::from("a-pod"))
    );
    assert_eq!(pod["status"]["phase"], "Running");
}
