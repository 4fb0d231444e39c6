//! Many watchers that come and go while much changes: none misses anything, none sees anything twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::{Request, header};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use serde::Deserialize;
use serde_json::Value;
use tidemill_objects::{DeleteOptions, Key, Objects};
use tidemill_resources::{Kind, Object};

use super::watch::Lines;
use super::{CONFIGS, TOKEN, World, config};

const WATCHERS: u64 = 50;
const CHANGES: u64 = 10_000;
const NAMES: u64 = 40;

/// What a watcher knows: the version of each object.
type State = BTreeMap<String, u64>;

/// As much of an event as is looked at.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: Seen,
}

#[derive(Deserialize)]
struct Seen {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: String,
    resource_version: String,
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap().to_owned()
}

/// Creates, changes and deletes; gives the version after the last.
async fn write(objects: Objects) -> u64 {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let kind = Kind::by_resource("", "configmaps").unwrap();
    for change in 0..CHANGES {
        let name = format!("map-{}", random.random_range(0..NAMES));
        let key = Key::new(kind, "default", &name);
        let known = objects.known(&key).is_some();
        let mut object: Object = serde_json::from_value(config(&name, &change.to_string())).unwrap();
        object.metadata.namespace = Some("default".to_owned());
        if known && random.random_range(0..5) == 0 {
            objects.delete(&key, &DeleteOptions::default()).await.unwrap();
        } else if known {
            objects.update(object).await.unwrap();
        } else {
            objects.create(object).await.unwrap();
        }
    }
    objects.version()
}

/// Follows until it has seen everything up to `last`, leaving and coming back at random.
async fn follow(world: Arc<World>, seed: u64, last: Arc<AtomicU64>) -> (State, u64) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut reconnects = 0;
    let (mut state, mut cursor) = list(&world).await;
    loop {
        let path = format!("{CONFIGS}?watch=true&allowWatchBookmarks=true&timeoutSeconds=5&resourceVersion={cursor}");
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
        let response = world.send(request.body(Body::empty()).unwrap()).await;
        let mut lines = Lines::of(response.into_body());
        // Some are slow: what they have not seen yet is told to them in fewer events.
        let pace = [0, 10, 100, 400][usize::try_from(seed).unwrap() % 4];
        for _ in 0..random.random_range(1..200) {
            for _ in 0..pace {
                tokio::task::yield_now().await;
            }
            let Some(line) = lines.next().await else { break };
            let event: Event = serde_json::from_str(&line).unwrap();
            if event.kind == "ERROR" {
                assert!(line.contains("\"code\":410"), "{line}");
                (state, cursor) = list(&world).await;
                break;
            }
            let (name, seen) = (
                event.object.metadata.name,
                event.object.metadata.resource_version.parse().unwrap(),
            );
            assert!(seen >= cursor, "version {seen} came after {cursor}");
            match event.kind.as_str() {
                "BOOKMARK" => {}
                "DELETED" => {
                    let before = state.remove(&name);
                    assert!(before.is_some_and(|before| before < seen), "{name} was not there");
                }
                kind => {
                    let before = state.insert(name.clone(), seen);
                    assert!(before.is_none_or(|before| before < seen), "{name} came twice");
                    assert_eq!(before.is_none(), kind == "ADDED", "{kind} {name} after {before:?}");
                }
            }
            cursor = seen;
        }
        reconnects += 1;
        let end = last.load(Ordering::Relaxed);
        if end > 0 && cursor >= end {
            return (state, reconnects);
        }
        if end > 0 {
            // Nothing comes after the end but bookmarks: a list says whether all was seen.
            let (all, reached) = list(&world).await;
            if all == state {
                return (state, reconnects);
            }
            assert!(reached >= cursor);
        }
    }
}

async fn list(world: &World) -> (State, u64) {
    let list = world.get(CONFIGS).await.body;
    let items = list["items"].as_array().unwrap();
    (
        items.iter().map(|object| (name(object), version(object))).collect(),
        version(&list),
    )
}

#[tokio::test(start_paused = true)]
async fn fifty_watchers_miss_nothing_and_see_nothing_twice() {
    let world = Arc::new(World::new().await);
    let last = Arc::new(AtomicU64::new(0));
    let watchers: Vec<_> = (0..WATCHERS)
        .map(|seed| tokio::spawn(follow(world.clone(), seed, last.clone())))
        .collect();
    let end = tokio::spawn(write(world.objects.clone())).await.unwrap();
    last.store(end, Ordering::Relaxed);
    let (all, _) = list(&world).await;
    let mut reconnects = 0;
    for watcher in watchers {
        let (state, times) = watcher.await.unwrap();
        assert_eq!(state, all);
        reconnects += times;
    }
    assert!(
        reconnects > WATCHERS * 10,
        "only {reconnects} connections: that says little"
    );
}
