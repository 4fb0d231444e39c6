//! Deletion: conditions, finalizers, tombstones.

use std::time::Duration;

use serde_json::json;
use tidemill_bus::layout;

use super::{Store, config, config_key, configs, next, objects, task_run, version, watch_from};
use crate::{DeleteOptions, Key, ListQuery, Objects, Options, Part, RUN_FINALIZER, WatchEvent};

#[tokio::test(start_paused = true)]
async fn watchers_get_the_last_state() {
    let objects = objects().await;
    let made = objects.create(config("a", "last")).await.unwrap();
    let mut watch = watch_from(&objects, configs(), version(&made)).await;
    let deleted = objects
        .delete(&config_key("a"), &DeleteOptions::default())
        .await
        .unwrap();
    assert!(deleted.removed);
    let WatchEvent::Deleted(last) = watch.next().await.unwrap() else {
        panic!()
    };
    assert_eq!(
        (super::datum(&last).as_str(), version(&last)),
        ("last", version(&deleted.object))
    );
    assert_eq!(objects.get(&config_key("a")).await.unwrap(), None);
    let error = objects
        .delete(&config_key("a"), &DeleteOptions::default())
        .await
        .unwrap_err();
    assert!(error.is_not_found());
}

#[tokio::test(start_paused = true)]
async fn conditions_must_hold() {
    let objects = objects().await;
    let made = objects.create(config("a", "1")).await.unwrap();
    let old = made.metadata.resource_version.clone();
    objects.update(config("a", "2")).await.unwrap();
    let refused = async |options: DeleteOptions| objects.delete(&config_key("a"), &options).await.unwrap_err();
    let stranger = Some("6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned());
    assert_eq!(
        refused(DeleteOptions {
            uid: stranger,
            ..DeleteOptions::default()
        })
        .await
        .code(),
        409
    );
    assert_eq!(
        refused(DeleteOptions {
            resource_version: old,
            ..DeleteOptions::default()
        })
        .await
        .code(),
        409
    );
    let right = DeleteOptions {
        uid: made.metadata.uid,
        ..DeleteOptions::default()
    };
    let dry = DeleteOptions {
        dry_run: true,
        ..right.clone()
    };
    assert!(objects.delete(&config_key("a"), &dry).await.unwrap().removed);
    assert!(objects.delete(&config_key("a"), &right).await.unwrap().removed);
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_with_its_finalizer() {
    let objects = objects().await;
    let made = objects.create(task_run("a")).await.unwrap();
    let (key, uid) = (Key::of(&made).unwrap(), made.metadata.uid.unwrap());
    let marked = objects.delete(&key, &DeleteOptions::default()).await.unwrap();
    assert!(!marked.removed);
    assert!(marked.object.metadata.deletion_timestamp.is_some());
    assert_eq!(marked.object.metadata.generation, Some(2), "a fact of its own");
    let again = objects.delete(&key, &DeleteOptions::default()).await.unwrap();
    assert_eq!(again.object, marked.object);
    let more = json!({"metadata": {"finalizers": [RUN_FINALIZER, "example.com/more"]}});
    assert_eq!(
        objects.merge_patch(&key, more, Part::Main).await.unwrap_err().code(),
        422
    );
    objects.remove_finalizer(&key, &uid, RUN_FINALIZER).await.unwrap();
    assert_eq!(objects.get(&key).await.unwrap(), None);
    objects.remove_finalizer(&key, &uid, RUN_FINALIZER).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_new_object_of_the_name_is_another_one() {
    let objects = objects().await;
    let first = objects.create(config("a", "first")).await.unwrap();
    let mut watch = watch_from(&objects, configs(), version(&first)).await;
    objects
        .delete(&config_key("a"), &DeleteOptions::default())
        .await
        .unwrap();
    let second = objects.create(config("a", "second")).await.unwrap();
    assert_ne!(first.metadata.uid, second.metadata.uid);
    assert!(version(&second) > version(&first));
    assert_eq!(next(&mut watch).await, "deleted a first");
    assert_eq!(next(&mut watch).await, "added a second");
}

#[tokio::test(start_paused = true)]
async fn old_tombstones_are_swept_and_nothing_waits_for_them() {
    let store = Store::new().await;
    let objects = store.objects().await;
    objects.create(config("a", "1")).await.unwrap();
    objects
        .delete(&config_key("a"), &DeleteOptions::default())
        .await
        .unwrap();
    let bus = store.memory.connect();
    let subject = config_key("a").subject();
    tokio::time::sleep(store.options.tombstone_age / 2).await;
    assert!(bus.last("objects", &subject).await.unwrap().is_some());
    tokio::time::sleep(store.options.tombstone_age / 2 + store.options.sweep_every * 2).await;
    assert_eq!(bus.last("objects", &subject).await.unwrap(), None);
    // The stream's last message is gone: whoever starts now must not wait for it.
    let late = tokio::time::timeout(Duration::from_secs(5), store.objects())
        .await
        .unwrap();
    let list = late
        .list(&ListQuery {
            scope: configs(),
            ..ListQuery::default()
        })
        .await
        .unwrap();
    assert_eq!((list.items.len(), list.resource_version), (0, objects.version()));
    late.create(config("a", "2")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_store_can_be_emptied() {
    let memory = tidemill_bus::Memory::default();
    let limits = layout::Limits {
        objects_bytes: 64 * 1024,
        ..layout::Limits::default()
    };
    layout::ensure(&memory.connect(), &limits).await.unwrap();
    let objects = Objects::start(memory.connect(), Options::default()).await.unwrap();
    objects.ready().await.unwrap();
    let mut made = 0;
    let error = loop {
        match objects.create(config(&format!("c{made}"), &"x".repeat(5_000))).await {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((error.code(), error.reason()), (429, "TooManyRequests"));
    assert!(made > 5, "{made}");
    for index in 0..made {
        objects
            .delete(&config_key(&format!("c{index}")), &DeleteOptions::default())
            .await
            .unwrap();
    }
    objects.create(config("again", &"x".repeat(5_000))).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_whole_scope_is_deleted_at_once() {
    let objects = objects().await;
    for index in 0..30 {
        let mut object = config(&format!("c{index}"), "x");
        object.metadata.labels = Some([("odd".to_owned(), (index % 2 == 1).to_string())].into());
        objects.create(object).await.unwrap();
    }
    let scope = configs().select("odd=true", "").unwrap();
    let deleted = objects.delete_all(&scope, &DeleteOptions::default()).await.unwrap();
    assert_eq!(deleted.len(), 15);
    assert_eq!(objects.names_of("", "configmaps", "default").len(), 15);
}
