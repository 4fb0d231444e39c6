//! Commands in `cases/*.yaml`, each with the pod it becomes in `snapshots/`.
//!
//! `INSTA_UPDATE=always cargo test -p tidemill-pod` writes the pods anew.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::path::Path;

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use tidemill_messages::StartTask;
use tidemill_messages::plan::{self, Plan};
use tidemill_pod::kubernetes::{Delivery, deliver};
use tidemill_pod::{ANNOTATION_RELEASE, Error, Options, build};

/// The command of a case: what the file leaves out is the same in all of them.
fn command(case: &str) -> StartTask {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cases")
        .join(format!("{case}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap();
    let own: Value = serde_saphyr::from_str(&text).unwrap();
    let mut whole = json!({
        "version": 1,
        "run": {"kind": "PipelineRun", "namespace": "shop", "name": "release-7", "uid": "run-uid"},
        "task": case,
        "attempt": 0,
        "taskRun": {"name": format!("release-7-{case}"), "uid": "task-run-uid"},
    });
    whole.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

/// The pod as text, its plan as JSON below it.
fn show(mut pod: Pod) -> String {
    let plan = Plan::of(&pod).unwrap().unwrap();
    let annotations = pod.metadata.annotations.as_mut().unwrap();
    annotations.insert(plan::ANNOTATION.to_owned(), "(below)".to_owned());
    annotations.insert(ANNOTATION_RELEASE.to_owned(), "(version)".to_owned());
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap();
    format!(
        "{}\n{}",
        pretty(&serde_json::to_value(pod).unwrap()),
        pretty(&serde_json::to_value(plan).unwrap())
    )
}

fn built(case: &str) -> Pod {
    build(&command(case), &Options::default()).unwrap()
}

fn refused(case: &str) -> Error {
    build(&command(case), &Options::default()).unwrap_err()
}

#[test]
fn a_script_and_a_command() {
    insta::assert_snapshot!(show(built("steps")));
}

#[test]
fn workspaces_of_every_kind() {
    insta::assert_snapshot!(show(built("workspaces")));
}

#[test]
fn workspaces_that_some_containers_keep_to_themselves() {
    insta::assert_snapshot!(show(built("isolation")));
}

#[test]
fn sidecars_run_beside_the_steps() {
    insta::assert_snapshot!(show(built("sidecars")));
}

#[test]
fn resources_of_steps_and_sidecars_are_overridden() {
    insta::assert_snapshot!(show(built("overrides")));
}

#[test]
fn resources_of_the_task_are_spread() {
    insta::assert_snapshot!(show(built("spread")));
}

#[test]
fn the_run_s_template_wins_over_the_installation_s() {
    let options: Options = serde_json::from_value(json!({
        "default-pod-template": {
            "nodeSelector": {"disk": "slow"},
            "schedulerName": "ours",
            "env": [{"name": "PROXY", "value": "default"}, {"name": "REGION", "value": "default"}],
        },
        "forbidden-env": ["TOKEN"],
        "image-pull-policy": "IfNotPresent",
    }))
    .unwrap();
    let pod = build(&command("template"), &options).unwrap();
    insta::assert_snapshot!(show(pod));
}

#[test]
fn a_cluster_gets_the_step_binary_and_the_directories() {
    let mut pod = built("sidecars");
    let path = "/opt/tidemill/bin".to_owned();
    deliver(&mut pod, &Delivery::HostPath { path }, true).unwrap();
    insta::assert_snapshot!(show(pod));
}

#[test]
fn a_copied_binary_comes_before_everything_else() {
    let mut pod = built("steps");
    let image = "registry.example/step:1".to_owned();
    deliver(&mut pod, &Delivery::Copy { image }, false).unwrap();
    insta::assert_snapshot!(show(pod));
}

#[test]
fn a_pod_without_plan_is_not_delivered() {
    let mut pod = built("steps");
    pod.metadata.annotations = None;
    let delivery = Delivery::Image {
        reference: "registry.example/step:1".to_owned(),
    };
    assert!(matches!(
        deliver(&mut pod, &delivery, false),
        Err(Error::Plan { source: None, .. })
    ));
}

#[test]
fn building_twice_gives_the_same_pod() {
    assert_eq!(built("workspaces"), built("workspaces"));
}

#[test]
fn faults_of_the_task_name_what_is_wrong() {
    let unbound = refused("unbound");
    assert_eq!(unbound.reason(), "TaskRunValidationFailed");
    assert!(unbound.to_string().contains("`source` is required"), "{unbound}");
    let unknown = refused("unknown-volume");
    assert_eq!(unknown.reason(), "PodCreationFailed");
    assert!(
        unknown
            .to_string()
            .contains("`step-build` mounts volume `cache` at `/cache`"),
        "{unknown}"
    );

    let mut command = command("steps");
    command.spec.steps[1].name = command.spec.steps[0].name.clone();
    let error = build(&command, &Options::default()).unwrap_err();
    assert!(matches!(error, Error::DuplicateContainer { container } if container == "step-compile"));
    command.spec.steps.clear();
    let error = build(&command, &Options::default()).unwrap_err();
    assert!(matches!(error, Error::NoSteps { .. }));
}

#[test]
fn retries_get_pods_of_their_own() {
    let mut command = command("steps");
    command.attempt = 2;
    let pod = build(&command, &Options::default()).unwrap();
    assert_eq!(pod.metadata.name.as_deref(), Some("release-7-steps-pod-retry2"));
}
