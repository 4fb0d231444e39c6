//! Owners, dependents, namespaces.

use std::time::Duration;

use serde_json::json;
use tidemill_resources::{Object, OwnerReference};

use super::{Store, config, config_key, object, objects, task_run};
use crate::{DeleteOptions, Key, Objects, Propagation, RUN_FINALIZER};

fn owned(name: &str, owners: &[&Object]) -> Object {
    let mut object = config(name, "x");
    let references = owners.iter().map(|owner| OwnerReference {
        api_version: owner.api_version.clone(),
        kind: owner.kind.clone(),
        name: owner.name().to_owned(),
        uid: owner.metadata.uid.clone().unwrap(),
        block_owner_deletion: Some(true),
        controller: None,
    });
    object.metadata.owner_references = Some(references.collect());
    object
}

fn by(propagation: Propagation) -> DeleteOptions {
    DeleteOptions {
        propagation: Some(propagation),
        ..DeleteOptions::default()
    }
}

async fn exists(objects: &Objects, name: &str) -> bool {
    objects.get(&config_key(name)).await.unwrap().is_some()
}

/// Waits until the object is gone.
async fn gone(objects: &Objects, key: &Key) {
    let mut changes = objects.inner.applied.subscribe();
    let wait = async {
        while objects.get(key).await.unwrap().is_some() {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn dependents_go_after_their_owner() {
    let objects = objects().await;
    let owner = objects.create(config("owner", "x")).await.unwrap();
    let child = objects.create(owned("child", &[&owner])).await.unwrap();
    objects.create(owned("grandchild", &[&child])).await.unwrap();
    objects.create(config("stranger", "x")).await.unwrap();
    assert!(
        objects
            .delete(&config_key("owner"), &DeleteOptions::default())
            .await
            .unwrap()
            .removed
    );
    gone(&objects, &config_key("grandchild")).await;
    assert!(!exists(&objects, "child").await);
    assert!(exists(&objects, "stranger").await);
}

#[tokio::test(start_paused = true)]
async fn an_object_with_an_owner_left_stays() {
    let objects = objects().await;
    let one = objects.create(config("one", "x")).await.unwrap();
    let two = objects.create(config("two", "x")).await.unwrap();
    objects.create(owned("child", &[&one, &two])).await.unwrap();
    objects
        .delete(&config_key("one"), &DeleteOptions::default())
        .await
        .unwrap();
    let mut changes = objects.inner.applied.subscribe();
    loop {
        let child = objects.get(&config_key("child")).await.unwrap().unwrap();
        let references = child.metadata.owner_references.unwrap();
        if references.len() == 1 {
            assert_eq!(references[0].name, "two");
            break;
        }
        changes.changed().await.unwrap();
    }
    objects
        .delete(&config_key("two"), &DeleteOptions::default())
        .await
        .unwrap();
    gone(&objects, &config_key("child")).await;
}

#[tokio::test(start_paused = true)]
async fn in_the_foreground_the_owner_goes_last() {
    let objects = objects().await;
    let owner = objects.create(config("owner", "x")).await.unwrap();
    let mut run = task_run("child");
    run.metadata.owner_references = owned("", &[&owner]).metadata.owner_references;
    let run = objects.create(run).await.unwrap();
    let run_key = Key::of(&run).unwrap();
    let marked = objects
        .delete(&config_key("owner"), &by(Propagation::Foreground))
        .await
        .unwrap();
    assert!(!marked.removed);
    let mut changes = objects.inner.applied.subscribe();
    while objects
        .get(&run_key)
        .await
        .unwrap()
        .unwrap()
        .metadata
        .deletion_timestamp
        .is_none()
    {
        changes.changed().await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(exists(&objects, "owner").await, "it waits for the run's finalizer");
    objects
        .remove_finalizer(&run_key, &run.metadata.uid.unwrap(), RUN_FINALIZER)
        .await
        .unwrap();
    gone(&objects, &config_key("owner")).await;
}

#[tokio::test(start_paused = true)]
async fn orphans_stay_without_their_reference() {
    let objects = objects().await;
    let owner = objects.create(config("owner", "x")).await.unwrap();
    objects.create(owned("child", &[&owner])).await.unwrap();
    objects
        .delete(&config_key("owner"), &by(Propagation::Orphan))
        .await
        .unwrap();
    gone(&objects, &config_key("owner")).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let child = objects.get(&config_key("child")).await.unwrap().unwrap();
    assert_eq!(child.metadata.owner_references, None);
}

#[tokio::test(start_paused = true)]
async fn what_names_an_owner_that_is_not_there_is_collected() {
    let objects = objects().await;
    let mut owner = config("owner", "x");
    owner.metadata.uid = Some("6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned());
    objects.create(owned("child", &[&owner])).await.unwrap();
    gone(&objects, &config_key("child")).await;
    // Of the same name, but not the one that is meant.
    objects.create(config("owner", "x")).await.unwrap();
    objects.create(owned("child", &[&owner])).await.unwrap();
    gone(&objects, &config_key("child")).await;
    // Of a kind that is not kept here: nothing is known about it.
    owner.kind = "Deployment".to_owned();
    owner.api_version = "apps/v1".to_owned();
    objects.create(owned("child", &[&owner])).await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(exists(&objects, "child").await);
}

#[tokio::test(start_paused = true)]
async fn what_was_left_by_a_dead_collector_is_found() {
    let mut store = Store::new().await;
    store.options.maintain = false;
    let idle = store.objects().await;
    let owner = idle.create(config("owner", "x")).await.unwrap();
    idle.create(owned("child", &[&owner])).await.unwrap();
    idle.delete(&config_key("owner"), &DeleteOptions::default())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(exists(&idle, "child").await);
    store.options.maintain = true;
    let collecting = store.objects().await;
    gone(&collecting, &config_key("child")).await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_goes_with_all_it_holds() {
    let objects = objects().await;
    let namespace = object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}));
    let key = Key::of(&objects.create(namespace).await.unwrap()).unwrap();
    let mut inside = config("a", "x");
    inside.metadata.namespace = Some("team".to_owned());
    objects.create(inside.clone()).await.unwrap();
    let mut run = task_run("r");
    run.metadata.namespace = Some("team".to_owned());
    let run = objects.create(run).await.unwrap();
    let marked = objects.delete(&key, &DeleteOptions::default()).await.unwrap();
    assert_eq!(marked.object.rest["status"]["phase"], "Terminating");
    inside.metadata.name = Some("late".to_owned());
    assert_eq!(objects.create(inside).await.unwrap_err().code(), 403);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(objects.get(&key).await.unwrap().is_some(), "it waits for the run");
    let uid = run.metadata.uid.clone().unwrap();
    objects
        .remove_finalizer(&Key::of(&run).unwrap(), &uid, RUN_FINALIZER)
        .await
        .unwrap();
    gone(&objects, &key).await;
    assert!(objects.names_of("", "configmaps", "team").is_empty());
    let default = Key {
        name: "default".to_owned(),
        ..key
    };
    assert_eq!(
        objects
            .delete(&default, &DeleteOptions::default())
            .await
            .unwrap_err()
            .code(),
        403
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_child_is_not_projected_again() {
    let objects = objects().await;
    let mut child = task_run("child");
    child.metadata.uid = Some("6ba7b810-9dad-51d1-80b4-00c04fd430c8".to_owned());
    child.rest.insert("status".to_owned(), json!({"podName": "p1"}));
    let made = objects.put_projection(&child).await.unwrap();
    assert_eq!(
        (made.metadata.uid.as_ref(), made.metadata.finalizers.as_ref()),
        (child.metadata.uid.as_ref(), None)
    );
    let key = Key::of(&made).unwrap();
    objects
        .merge_patch(&key, json!({"metadata": {"labels": {"mine": "1"}}}), crate::Part::Main)
        .await
        .unwrap();
    child.rest.insert("status".to_owned(), json!({"podName": "p2"}));
    let changed = objects.put_projection(&child).await.unwrap();
    assert_eq!(changed.rest["status"]["podName"], "p2");
    assert_eq!(changed.metadata.labels.unwrap()["mine"], "1");
    let mut other = child.clone();
    other.metadata.uid = Some("6ba7b811-9dad-51d1-80b4-00c04fd430c8".to_owned());
    assert_eq!(
        objects.put_projection(&other).await.unwrap_err().reason(),
        "AlreadyExists"
    );
    objects.delete(&key, &DeleteOptions::default()).await.unwrap();
    assert!(objects.put_projection(&child).await.unwrap_err().is_not_found());
    objects.put_projection(&other).await.unwrap();
}
