//! The objects on a real nats-server: what the in-memory bus cannot show.

use std::time::Duration;

use serde_json::json;
use tidemill_bus::{Bus, Connect, layout};
use tidemill_kit::NatsServer;
use tidemill_objects::{DeleteOptions, Error, Key, ListQuery, Objects, Options, Scope, Watch, WatchEvent, WatchQuery};
use tidemill_resources::Object;
use tokio::time::timeout;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(60);

async fn connect(server: &NatsServer) -> Bus {
    let bus = Bus::connect(Connect::new(server.url())).await.expect("connected");
    let limits = layout::Limits::default().fitting(1 << 30);
    layout::ensure(&bus, &limits).await.expect("streams");
    bus
}

async fn objects(server: &NatsServer, options: Options) -> Objects {
    let objects = Objects::start(connect(server).await, options).await.expect("started");
    timeout(PATIENCE, objects.ready())
        .await
        .expect("in time")
        .expect("ready");
    objects
}

fn config(name: &str, datum: &str) -> Object {
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"name": name}},
        "data": {"datum": datum},
    }))
    .expect("an object")
}

fn key(name: &str) -> Key {
    Key {
        group: String::new(),
        resource: "configmaps".to_owned(),
        namespace: "default".to_owned(),
        name: name.to_owned(),
    }
}

fn version(object: &Object) -> u64 {
    let version = object.metadata.resource_version.as_deref().expect("a version");
    version.parse().expect("a number")
}

fn scope() -> Scope {
    Scope::new("", "configmaps", Some("default"))
}

async fn watch_from(objects: &Objects, version: u64) -> Watch {
    let query = WatchQuery {
        scope: scope(),
        resource_version: Some(version),
        ..WatchQuery::default()
    };
    objects.watch(query).await.expect("a watch")
}

/// The next event as one line.
async fn next(watch: &mut Watch) -> String {
    let event = timeout(PATIENCE, watch.next())
        .await
        .expect("in time")
        .expect("an event");
    let line = |word: &str, object: &Object| format!("{word} {} {}", object.name(), object.rest["data"]["datum"]);
    match event {
        WatchEvent::Added(object) => line("added", &object),
        WatchEvent::Modified(object) => line("modified", &object),
        WatchEvent::Deleted(object) => line("deleted", &object),
        WatchEvent::Bookmark { .. } => "bookmark".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_see_one_store() {
    let server = NatsServer::start().expect("nats-server");
    let (one, two) = (
        objects(&server, Options::default()).await,
        objects(&server, Options::default()).await,
    );
    assert_eq!(one.store_id(), two.store_id());
    let made = one.create(config("a", "1")).await.unwrap();
    let mut watch = watch_from(&two, version(&made)).await;
    let list = two
        .list(&ListQuery {
            scope: scope(),
            ..ListQuery::default()
        })
        .await
        .unwrap();
    assert_eq!(list.items.first(), Some(&made));
    let (first, second) = tokio::join!(one.update(made.clone()), two.update(made.clone()));
    assert_eq!(
        (first.unwrap(), second.unwrap()),
        (made.clone(), made.clone()),
        "nothing changed"
    );
    let changed = |datum: &str| {
        let mut object = made.clone();
        object.rest.insert("data".to_owned(), json!({"datum": datum}));
        object
    };
    let (first, second) = tokio::join!(one.update(changed("2")), two.update(changed("2")));
    let ((Ok(_), Err(error)) | (Err(error), Ok(_))) = (first, second) else {
        panic!("both won or lost")
    };
    assert_eq!(error.reason(), "Conflict");
    two.delete(&key("a"), &DeleteOptions::default()).await.unwrap();
    let again = one.create(config("a", "3")).await.unwrap();
    assert_ne!(again.metadata.uid, made.metadata.uid);
    for line in ["modified a \"2\"", "deleted a \"2\"", "added a \"3\""] {
        assert_eq!(next(&mut watch).await, line);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_creators_one_wins() {
    let server = NatsServer::start().expect("nats-server");
    let (one, two) = (
        objects(&server, Options::default()).await,
        objects(&server, Options::default()).await,
    );
    let creations = (0..40).map(|index| {
        let objects = if index % 2 == 0 { one.clone() } else { two.clone() };
        async move { objects.create(config("a", &index.to_string())).await }
    });
    let results = futures::future::join_all(creations).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let refused = results.iter().filter_map(|result| result.as_ref().err());
    assert!(refused.map(Error::reason).all(|reason| reason == "AlreadyExists"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_finds_what_was_there() {
    let server = NatsServer::start().expect("nats-server");
    let first = objects(&server, Options::default()).await;
    for index in 0..50 {
        first.create(config(&format!("c{index:02}"), "x")).await.unwrap();
    }
    let large = first.create(config("large", &"x".repeat(900_000))).await.unwrap();
    first.delete(&key("c00"), &DeleteOptions::default()).await.unwrap();
    let second = objects(&server, Options::default()).await;
    assert_eq!(second.count(), first.count());
    let query = ListQuery {
        scope: scope().select("name in (c00, c01, large)", "").unwrap(),
        ..ListQuery::default()
    };
    let list = second.list(&query).await.unwrap();
    assert_eq!(list.items.len(), 2);
    assert_eq!(list.items[1], large);
    let options = Options {
        store_id: Some("another".to_owned()),
        ..Options::default()
    };
    let wrong = Objects::start(connect(&server).await, options).await.unwrap();
    assert_eq!(timeout(PATIENCE, wrong.ready()).await.unwrap().unwrap_err().code(), 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_costs_nothing_that_was_answered() {
    let mut server = NatsServer::start().expect("nats-server");
    let objects = objects(&server, Options::default()).await;
    let made = objects.create(config("a", "1")).await.unwrap();
    let mut watch = watch_from(&objects, version(&made)).await;
    server.kill().unwrap();
    let away = objects.get(&key("a")).await;
    assert!(
        away.as_ref().is_err_and(|error| error.code() == 503),
        "never not found: {away:?}"
    );
    server.restart().unwrap();
    let read = async {
        loop {
            match objects.get(&key("a")).await {
                Ok(found) => break found,
                Err(error) => assert_eq!(error.code(), 503),
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(timeout(PATIENCE, read).await.unwrap(), Some(made));
    let update = async {
        loop {
            match objects.update(config("a", "2")).await {
                Ok(object) => break object,
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        }
    };
    timeout(PATIENCE, update).await.unwrap();
    assert_eq!(next(&mut watch).await, "modified a \"2\"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tombstones_go_from_the_server() {
    let server = NatsServer::start().expect("nats-server");
    let options = Options {
        tombstone_age: Duration::from_millis(200),
        sweep_every: Duration::from_millis(50),
        ..Options::default()
    };
    let objects = objects(&server, options).await;
    objects.create(config("a", "1")).await.unwrap();
    objects.delete(&key("a"), &DeleteOptions::default()).await.unwrap();
    let bus = connect(&server).await;
    let swept = async {
        while bus.last("objects", &key("a").subject()).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, swept).await.unwrap();
    let list = objects
        .list(&ListQuery {
            scope: scope(),
            ..ListQuery::default()
        })
        .await
        .unwrap();
    assert!(list.items.is_empty());
    objects.create(config("a", "2")).await.unwrap();
}
