//! Changing what exists: conflicts, generations, parts.

use serde_json::json;

use super::{Store, config, config_key, datum, objects, task_run};
use crate::{Error, Key, Part, Patch, WriteOptions};

#[tokio::test(start_paused = true)]
async fn of_two_writers_one_wins() {
    let store = Store::new().await;
    let (one, two) = (store.objects().await, store.objects().await);
    let made = one.create(config("a", "0")).await.unwrap();
    two.reached(super::version(&made)).await.unwrap();
    for round in 0..20 {
        let read = one.get(&config_key("a")).await.unwrap().unwrap();
        let with = |datum: String| {
            let mut object = read.clone();
            object.rest.insert("data".to_owned(), json!({"datum": datum}));
            object
        };
        let (first, second) = tokio::join!(
            one.update(with(format!("one {round}"))),
            two.update(with(format!("two {round}"))),
        );
        let (winner, loser) = match (first, second) {
            (Ok(winner), Err(loser)) | (Err(loser), Ok(winner)) => (winner, loser),
            other => panic!("{other:?}"),
        };
        assert_eq!((loser.code(), loser.reason()), (409, "Conflict"));
        assert_eq!(one.get(&config_key("a")).await.unwrap().unwrap(), winner);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_version_the_last_one_wins() {
    let objects = objects().await;
    objects.create(config("a", "1")).await.unwrap();
    assert_eq!(datum(&objects.update(config("a", "2")).await.unwrap()), "2");
    let mut stranger = config("a", "3");
    stranger.metadata.uid = Some("6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned());
    let error = objects.update(stranger).await.unwrap_err();
    assert!(error.to_string().contains("UID in precondition"), "{error}");
    assert_eq!(objects.update(config("none", "1")).await.unwrap_err().code(), 404);
}

#[tokio::test(start_paused = true)]
async fn only_the_spec_makes_a_generation() {
    let objects = objects().await;
    let key = Key::of(&objects.create(task_run("a")).await.unwrap()).unwrap();
    let generation = async |patch, part| {
        let patched = objects.merge_patch(&key, patch, part).await.unwrap();
        patched.metadata.generation.unwrap()
    };
    assert_eq!(
        generation(json!({"metadata": {"labels": {"a": "b"}}}), Part::Main).await,
        1
    );
    assert_eq!(generation(json!({"status": {"podName": "p"}}), Part::Status).await, 1);
    assert_eq!(
        generation(json!({"spec": {"status": "TaskRunCancelled"}}), Part::Main).await,
        2
    );
    assert_eq!(
        generation(json!({"status": {"podName": "ignored"}}), Part::Main).await,
        2
    );
    assert_eq!(generation(json!({"spec": {"retries": 3}}), Part::Status).await, 2);
    let now = objects.get(&key).await.unwrap().unwrap();
    assert_eq!(now.rest["status"]["podName"], "p");
    assert_eq!(now.rest["spec"].get("retries"), None);
    assert_eq!(now.metadata.labels.unwrap()["a"], "b");
}

#[tokio::test(start_paused = true)]
async fn what_changes_nothing_stores_nothing() {
    let objects = objects().await;
    let made = objects.create(config("a", "1")).await.unwrap();
    assert_eq!(objects.update(made.clone()).await.unwrap(), made);
    assert_eq!(
        objects
            .merge_patch(&config_key("a"), json!({}), Part::Main)
            .await
            .unwrap(),
        made
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_is_cancelled_as_tkn_does() {
    let objects = objects().await;
    let key = Key::of(&objects.create(task_run("a")).await.unwrap()).unwrap();
    let patch = Patch::operations(json!([{"op": "replace", "path": "/spec/status", "value": "TaskRunCancelled"}]));
    let written = objects
        .patch(&key, &patch.unwrap(), Part::Main, WriteOptions::default())
        .await
        .unwrap();
    assert_eq!(written.object.rest["spec"]["status"], "TaskRunCancelled");
}

#[tokio::test(start_paused = true)]
async fn patches_keep_to_the_rules() {
    let objects = objects().await;
    let made = objects.create(config("a", "1")).await.unwrap();
    let key = config_key("a");
    let refused = async |patch| objects.merge_patch(&key, patch, Part::Main).await.unwrap_err();
    assert_eq!(refused(json!({"metadata": {"name": "b"}})).await.code(), 422);
    assert_eq!(refused(json!({"metadata": {"resourceVersion": "1"}})).await.code(), 409);
    assert_eq!(refused(json!({"data": {"datum": 7}})).await.code(), 422);
    let patch = json!({"metadata": {"resourceVersion": made.metadata.resource_version, "uid": made.metadata.uid}});
    assert_eq!(objects.merge_patch(&key, patch, Part::Main).await.unwrap(), made);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_writers_all_count() {
    let store = Store::new().await;
    let (one, two) = (store.objects().await, store.objects().await);
    let made = one.create(task_run("a")).await.unwrap();
    let (key, uid) = (Key::of(&made).unwrap(), made.metadata.uid.unwrap());
    let writes = (0..100).map(|index| {
        let (objects, key, uid) = (if index % 2 == 0 { &one } else { &two }, &key, &uid);
        async move {
            // Too many at once is an answer: then it is tried again.
            loop {
                let counted = objects
                    .update_status(key, uid, |status| {
                        let count = status
                            .get("count")
                            .and_then(serde_json::Value::as_u64)
                            .unwrap_or_default();
                        status.insert("count".to_owned(), json!(count + 1));
                    })
                    .await;
                match counted {
                    Err(Error::TooManyRequests { .. }) => {}
                    counted => return counted.map(drop),
                }
            }
        }
    });
    for written in futures::future::join_all(writes).await {
        written.unwrap();
    }
    let now = one.get(&key).await.unwrap().unwrap();
    assert_eq!(now.rest["status"]["count"], 100);
}

#[tokio::test(start_paused = true)]
async fn status_goes_to_the_object_that_was_meant() {
    let objects = objects().await;
    let made = objects.create(task_run("a")).await.unwrap();
    let key = Key::of(&made).unwrap();
    let error = objects
        .update_status(&key, "6ba7b810-9dad-11d1-80b4-00c04fd430c8", |status| status.clear())
        .await
        .unwrap_err();
    assert!(error.is_not_found());
}
