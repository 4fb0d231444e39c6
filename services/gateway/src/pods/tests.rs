//! Names of pods and the attempts behind them.

use serde_json::json;
use tidemill_resources::{Object, names};

use super::{Pod, split};

fn task_run(labels: serde_json::Value, annotations: serde_json::Value) -> Object {
    serde_json::from_value(json!({
        "apiVersion": "tekton.dev/v1", "kind": "TaskRun",
        "metadata": {"name": "run-build-1", "namespace": "ci", "uid": "own", "labels": labels, "annotations": annotations},
    }))
    .unwrap()
}

#[test]
fn names_lead_back_to_attempts() {
    assert_eq!(split("build-pod"), Some(("build", 0)));
    assert_eq!(split("a-pod-retry1-pod"), Some(("a-pod-retry1", 0)));
    assert_eq!(split("build-pod-retry12"), Some(("build", 12)));
    for other in ["build", "build-pod-retry", "build-pod-retryx"] {
        assert_eq!(split(other), None, "{other}");
    }
}

#[test]
fn logs_lie_under_the_run_and_the_key_of_the_task() {
    let key = |task_run| {
        let key = Pod { task_run, attempt: 2 }.attempt_key();
        (key.run_uid, key.task, key.attempt)
    };
    let own = key(task_run(json!({}), json!({})));
    assert_eq!(own, ("own".to_owned(), "run-build-1".to_owned(), 2));
    let labels = json!({names::LABEL_PIPELINE_RUN_UID: "run-uid", names::LABEL_PIPELINE_TASK: "build"});
    let child = key(task_run(labels.clone(), json!({})));
    assert_eq!(child, ("run-uid".to_owned(), "build".to_owned(), 2));
    let of_matrix = key(task_run(labels, json!({names::ANNOTATION_TASK_KEY: "build-1"})));
    assert_eq!(of_matrix.1, "build-1");
}
