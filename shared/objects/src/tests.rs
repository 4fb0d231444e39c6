//! The contract of the objects, on the in-memory bus with a paused clock.

mod create;
mod delete;
mod garbage;
mod list;
mod update;
mod watch;

use serde_json::{Value, json};
use tidemill_bus::{Memory, layout};
use tidemill_resources::Object;

use crate::{Key, Objects, Options, Scope, Watch, WatchEvent, WatchQuery};

/// An in-memory store and its options.
pub(crate) struct Store {
    pub(crate) memory: Memory,
    pub(crate) options: Options,
}

impl Store {
    pub(crate) async fn new() -> Self {
        let memory = Memory::default();
        layout::ensure(&memory.connect(), &layout::Limits::default())
            .await
            .unwrap();
        Self {
            memory,
            options: Options::default(),
        }
    }

    /// The objects as one more process has them.
    pub(crate) async fn objects(&self) -> Objects {
        let objects = Objects::start(self.memory.connect(), self.options.clone())
            .await
            .unwrap();
        objects.ready().await.unwrap();
        objects
    }
}

pub(crate) async fn objects() -> Objects {
    Store::new().await.objects().await
}

pub(crate) fn object(value: Value) -> Object {
    serde_json::from_value(value).unwrap()
}

/// A ConfigMap with one datum.
pub(crate) fn config(name: &str, datum: &str) -> Object {
    object(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"}, "data": {"datum": datum},
    }))
}

pub(crate) fn config_key(name: &str) -> Key {
    Key::of(&config(name, "")).unwrap()
}

pub(crate) fn configs() -> Scope {
    Scope::new("", "configmaps", Some("default"))
}

/// A TaskRun of one step.
pub(crate) fn task_run(name: &str) -> Object {
    object(json!({
        "apiVersion": "tekton.dev/v1", "kind": "TaskRun",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"taskSpec": {"steps": [{"name": "a", "image": "busybox", "script": "true"}]}},
    }))
}

pub(crate) fn datum(object: &Object) -> String {
    let datum = object.rest.get("data").and_then(|data| data.get("datum"));
    datum.and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(crate) fn version(object: &Object) -> u64 {
    object.metadata.resource_version.as_deref().unwrap().parse().unwrap()
}

pub(crate) async fn watch_from(objects: &Objects, scope: Scope, version: u64) -> Watch {
    let query = WatchQuery {
        scope,
        resource_version: Some(version),
        ..WatchQuery::default()
    };
    objects.watch(query).await.unwrap()
}

/// The next event as one line: kind, name and datum.
pub(crate) async fn next(watch: &mut Watch) -> String {
    line(&watch.next().await.unwrap())
}

pub(crate) fn line(event: &WatchEvent) -> String {
    let told = |word: &str, object: &Object| format!("{word} {} {}", object.name(), datum(object));
    match event {
        WatchEvent::Added(object) => told("added", object),
        WatchEvent::Modified(object) => told("modified", object),
        WatchEvent::Deleted(object) => told("deleted", object),
        WatchEvent::Bookmark { initial_end, .. } => format!("bookmark {initial_end}"),
    }
}
