//! What the server sets in new objects, and who wins.

use serde_json::json;
use tidemill_bus::Faults;

use super::{Store, config, config_key, object, objects, task_run, version};
use crate::{Key, Part, RUN_FINALIZER, WriteOptions};

#[tokio::test(start_paused = true)]
async fn the_server_sets_what_is_its_own() {
    let objects = objects().await;
    let mut asked = task_run("a");
    asked.metadata.uid = Some("mine".to_owned());
    asked.metadata.generation = Some(9);
    asked.rest.insert("status".to_owned(), json!({"podName": "forged"}));
    let made = objects.create(asked).await.unwrap();
    assert_ne!(made.metadata.uid.as_deref(), Some("mine"));
    assert!(made.metadata.creation_timestamp.is_some());
    assert_eq!(made.metadata.generation, Some(1));
    assert_eq!(
        made.metadata.finalizers.as_deref(),
        Some(&[RUN_FINALIZER.to_owned()][..])
    );
    assert_eq!(made.rest.get("status"), None);
    assert_eq!(made.rest["spec"]["timeout"], "1h0m0s", "defaults are filled in");
    let read = objects.get(&Key::of(&made).unwrap()).await.unwrap().unwrap();
    assert_eq!(read, made);
}

#[tokio::test(start_paused = true)]
async fn runs_of_others_get_no_finalizer() {
    let objects = objects().await;
    let mut run = task_run("a");
    run.rest["spec"]["managedBy"] = json!("example.com/other");
    let made = objects.create(run).await.unwrap();
    assert_eq!(made.metadata.finalizers, None);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_taken_once() {
    let store = Store::new().await;
    let (one, two) = (store.objects().await, store.objects().await);
    let results = futures::future::join_all((0..20).map(|index| {
        let objects = if index % 2 == 0 { &one } else { &two };
        objects.create(config("a", &index.to_string()))
    }))
    .await;
    let refused = results.iter().filter_map(|result| result.as_ref().err());
    assert_eq!(
        refused.map(crate::Error::reason).collect::<Vec<_>>(),
        ["AlreadyExists"; 19]
    );
}

#[tokio::test(start_paused = true)]
async fn generated_names_differ() {
    let objects = objects().await;
    let mut asked = config("", "x");
    asked.metadata.name = None;
    asked.metadata.generate_name = Some("run-".to_owned());
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let made = objects.create(asked.clone()).await.unwrap();
        assert!(made.name().starts_with("run-") && made.name().len() == 9);
        assert!(names.insert(made.name().to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_counts_once() {
    let store = Store::new().await;
    let objects = store.objects().await;
    for (faults, name) in [
        (
            Faults {
                unknown_stored: 1_000,
                ..Faults::default()
            },
            "stored",
        ),
        (
            Faults {
                unknown_lost: 500,
                seed: 3,
                ..Faults::default()
            },
            "lost",
        ),
        (
            Faults {
                busy: 500,
                unknown_stored: 300,
                unknown_lost: 300,
                seed: 7,
                ..Faults::default()
            },
            "all",
        ),
    ] {
        store.memory.set_faults(faults);
        let made = objects.create(config(name, "x")).await.unwrap();
        store.memory.set_faults(Faults::default());
        let read = objects.get(&config_key(name)).await.unwrap().unwrap();
        assert_eq!(version(&read), version(&made), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_stores_nothing() {
    let objects = objects().await;
    let options = WriteOptions {
        dry_run: true,
        ..WriteOptions::default()
    };
    let before = objects.version();
    let made = objects
        .create_with(config("a", "x").to_value(), options.clone())
        .await
        .unwrap();
    assert!(made.object.metadata.uid.is_some());
    assert_eq!(objects.get(&config_key("a")).await.unwrap(), None);
    objects.create(config("a", "x")).await.unwrap();
    let error = objects
        .create_with(config("a", "x").to_value(), options.clone())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "AlreadyExists");
    let patched = objects
        .update_with(config("a", "y").to_value(), Part::Main, options.clone())
        .await
        .unwrap();
    assert_eq!(super::datum(&patched.object), "y");
    assert_eq!(objects.version(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn bad_objects_are_refused_with_every_fault() {
    let objects = objects().await;
    let error = objects
        .create(object(json!({
            "apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": "UPPER"}, "spec": {"tasks": []},
        })))
        .await
        .unwrap_err();
    assert_eq!(error.code(), 422);
    let crate::Error::Invalid { causes, .. } = &error else {
        panic!("{error}")
    };
    assert!(causes.iter().any(|cause| cause.field == "metadata.name"), "{causes:?}");
    let unknown = object(json!({"apiVersion": "example.com/v1", "kind": "Odd", "metadata": {"name": "a"}}));
    assert_eq!(objects.create(unknown).await.unwrap_err().code(), 400);
    let mut versioned = config("a", "x");
    versioned.metadata.resource_version = Some("1".to_owned());
    assert_eq!(objects.create(versioned).await.unwrap_err().code(), 400);
}

#[tokio::test(start_paused = true)]
async fn references_that_lead_nowhere_are_warned_of() {
    let objects = objects().await;
    let task = object(json!({
        "apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "docker"},
        "spec": {"steps": [{"name": "a", "image": "busybox", "script": "true"}]},
    }));
    objects.create(task).await.unwrap();
    let pipeline = |task: &str| {
        json!({
            "apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": "p"},
            "spec": {"tasks": [{"name": "a", "taskRef": {"name": task}}]},
        })
    };
    let options = WriteOptions::default();
    let made = objects
        .create_with(pipeline("docker-911"), options.clone())
        .await
        .unwrap();
    let expected = "spec.tasks[0].taskRef.name: no Task \"docker-911\" in namespace \"default\"; there is \"docker\"";
    assert_eq!(made.warnings, [expected]);
    let same = objects
        .update_with(pipeline("docker-911"), Part::Main, options.clone())
        .await
        .unwrap();
    assert!(same.warnings.is_empty(), "what did not change is not told again");
    let right = objects
        .update_with(pipeline("docker"), Part::Main, options.clone())
        .await
        .unwrap();
    assert!(right.warnings.is_empty());
}

#[tokio::test(start_paused = true)]
async fn sizes_have_limits_that_are_named() {
    let objects = objects().await;
    let large = "x".repeat(900 * 1024);
    let made = objects.create(config("large", &large)).await.unwrap();
    assert_eq!(objects.get(&config_key("large")).await.unwrap(), Some(made));
    let error = objects
        .create(config("larger", &"x".repeat(4 * 1024 * 1024)))
        .await
        .unwrap_err();
    assert!(matches!(error.code(), 413 | 422), "{error}");
    let mut labels = config("labels", "x");
    let many = (0..200).map(|index| (format!("label-{index}"), "v".repeat(60)));
    labels.metadata.labels = Some(many.collect());
    assert!(objects.create(labels.clone()).await.is_ok());
    let many = (0..400).map(|index| (format!("label-{index}"), "v".repeat(60)));
    labels.metadata.labels = Some(many.collect());
    labels.metadata.name = Some("more".to_owned());
    let error = objects.create(labels).await.unwrap_err();
    assert!(error.to_string().contains("metadata.labels: Too long"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn namespaces_must_exist() {
    let objects = objects().await;
    let mut elsewhere = config("a", "x");
    elsewhere.metadata.namespace = Some("team".to_owned());
    let error = objects.create(elsewhere.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), "namespaces \"team\" not found");
    let team = object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}));
    let made = objects.create(team).await.unwrap();
    assert_eq!(made.rest["status"]["phase"], "Active");
    objects.create(elsewhere).await.unwrap();
    assert_eq!(objects.names_of("", "serviceaccounts", "team"), ["default"]);
}

#[tokio::test(start_paused = true)]
async fn the_default_namespace_is_there_from_the_start() {
    let objects = objects().await;
    let scope = crate::Scope::new("", "serviceaccounts", Some("default"));
    let mut watch = objects
        .watch(crate::WatchQuery {
            scope,
            ..crate::WatchQuery::default()
        })
        .await
        .unwrap();
    assert_eq!(super::next(&mut watch).await, "added default ");
    assert_eq!(objects.names_of("", "namespaces", ""), ["default"]);
}

#[tokio::test(start_paused = true)]
async fn what_no_trigger_can_mean_is_refused() {
    let objects = objects().await;
    let template = |parameter: &str| {
        json!({
            "apiVersion": "triggers.tekton.dev/v1beta1", "kind": "TriggerTemplate",
            "metadata": {"name": "t", "namespace": "default"},
            "spec": {"params": [{"name": "sha"}], "resourcetemplates": [{
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("$(tt.params.{parameter})")},
            }]},
        })
    };
    let refused = objects
        .create_with(template("shaa"), Default::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), 422, "{refused}");
    assert!(refused.to_string().contains("spec.resourcetemplates[0]"), "{refused}");
    objects.create_with(template("sha"), Default::default()).await.unwrap();
    let broken = objects
        .update_with(template("shaa"), crate::Part::Main, Default::default())
        .await;
    assert_eq!(broken.unwrap_err().code(), 422);
}
