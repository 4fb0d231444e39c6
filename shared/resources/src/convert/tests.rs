use serde_json::{Value, json};

use super::to_v1;
use crate::path::Path;
use crate::problem::Problems;
use crate::{Operation, admit};

fn converted(kind: &str, rest: Value) -> (Value, Vec<String>) {
    let mut object = json!({"apiVersion": "tekton.dev/v1beta1", "kind": kind, "metadata": {"name": "x"}});
    object
        .as_object_mut()
        .unwrap()
        .extend(rest.as_object().unwrap().clone());
    let mut problems = Problems::default();
    to_v1(&mut object, &mut problems);
    assert_eq!(object["apiVersion"], "tekton.dev/v1");
    (object, problems.into_vec().iter().map(ToString::to_string).collect())
}

#[test]
fn fields_of_a_pipeline_run_find_their_places() {
    let (run, lines) = converted(
        "PipelineRun",
        json!({"spec": {
            "timeout": "5m", "ServiceAccountName": "bot", "podTemplate": {"hostNetwork": true},
            "pipelineRef": {"name": "p", "bundle": "registry/b:1"},
            "taskRunSpecs": [{"pipelineTaskName": "t", "taskServiceAccountName": "other", "taskPodTemplate": {},
                "stepOverrides": [{"name": "s", "resources": {"limits": {"cpu": "1"}}}], "sidecarOverrides": [{"name": "c", "resources": {}}]}],
        }, "status": {"pipelineResults": [{"name": "r", "value": "v"}], "taskRuns": {"a": {}}, "runs": {}}}),
    );
    assert_eq!(lines, Vec::<String>::new());
    assert_eq!(run["status"], json!({"results": [{"name": "r", "value": "v"}]}));
    assert_eq!(
        run["spec"],
        json!({
            "timeouts": {"pipeline": "5m"},
            "taskRunTemplate": {"serviceAccountName": "bot", "podTemplate": {"hostNetwork": true}},
            "pipelineRef": {"resolver": "bundles", "params": [
                {"name": "bundle", "value": "registry/b:1"}, {"name": "name", "value": "p"}, {"name": "kind", "value": "pipeline"}]},
            "taskRunSpecs": [{"pipelineTaskName": "t", "serviceAccountName": "other", "podTemplate": {},
                "stepSpecs": [{"name": "s", "computeResources": {"limits": {"cpu": "1"}}}], "sidecarSpecs": [{"name": "c", "computeResources": {}}]}],
        })
    );
}

#[test]
fn what_is_there_in_v1s_words_wins() {
    let (run, _) = converted(
        "PipelineRun",
        json!({"spec": {"timeout": "5m", "timeouts": {"pipeline": "7m"}, "taskRunTemplate": {"serviceAccountName": "a"}, "serviceAccountName": "b"}}),
    );
    assert_eq!(
        run["spec"],
        json!({"timeouts": {"pipeline": "7m"}, "taskRunTemplate": {"serviceAccountName": "a"}})
    );
}

#[test]
fn what_v1_cannot_hold_is_kept_in_an_annotation() {
    let (task, lines) = converted(
        "Task",
        json!({"spec": {"resources": {"inputs": []}, "stepTemplate": {"name": "t", "image": "i", "resources": {}},
            "steps": [{"name": "a", "resources": {"requests": {"memory": "1Gi"}}}, {"name": "b", "tty": true, "ports": [{"containerPort": 1}]}],
            "sidecars": [{"name": "c", "resources": {}, "readinessProbe": {}}]}}),
    );
    assert_eq!(
        lines,
        ["spec.resources: PipelineResources do not exist any more; it is left out"]
    );
    assert_eq!(
        task["spec"],
        json!({"stepTemplate": {"image": "i", "computeResources": {}},
            "steps": [{"name": "a", "computeResources": {"requests": {"memory": "1Gi"}}}, {"name": "b"}],
            "sidecars": [{"name": "c", "computeResources": {}, "readinessProbe": {}}]})
    );
    let kept = task["metadata"]["annotations"]["tekton.dev/v1beta1.task-deprecations"]
        .as_str()
        .unwrap();
    let kept: Value = serde_json::from_str(kept).unwrap();
    assert_eq!(
        kept,
        json!({"stepTemplate": {"name": "t"}, "steps": [{}, {"tty": true, "ports": [{"containerPort": 1}]}]})
    );
}

#[test]
fn embedded_tasks_and_earlier_attempts_are_converted_too() {
    let (pipeline, lines) = converted(
        "Pipeline",
        json!({"spec": {"tasks": [{"name": "t", "taskSpec": {"steps": [{"resources": {}, "tty": true}]}, "resources": {}}],
            "finally": [{"name": "f", "taskRef": {"name": "n", "bundle": "b"}}]}}),
    );
    assert_eq!(
        pipeline["spec"]["tasks"],
        json!([{"name": "t", "taskSpec": {"steps": [{"computeResources": {}}]}}])
    );
    assert_eq!(pipeline["spec"]["finally"][0]["taskRef"]["resolver"], "bundles");
    assert_eq!(lines.len(), 2, "{lines:?}");
    let (run, _) = converted(
        "TaskRun",
        json!({"spec": {"stepOverrides": []}, "status": {"taskResults": [], "retriesStatus": [{"taskResults": [{"name": "r"}]}]}}),
    );
    assert_eq!(run["spec"], json!({"stepSpecs": []}));
    assert_eq!(
        run["status"],
        json!({"results": [], "retriesStatus": [{"results": [{"name": "r"}]}]})
    );
}

#[test]
fn problems_are_told_in_the_words_of_the_original() {
    let run = json!({"apiVersion": "tekton.dev/v1beta1", "kind": "PipelineRun", "metadata": {"name": "x"}, "spec": {
        "pipelineRef": {"name": "p"}, "timeout": 5, "podTemplate": {"hostNetwork": "yes"},
        "taskRunSpecs": [{"pipelineTaskName": "t", "stepOverrides": [{"name": "s", "resources": {"limits": []}}]}]}});
    let mut paths: Vec<String> = admit(run, Operation::Create, true)
        .unwrap_err()
        .problems
        .iter()
        .map(|problem| problem.path.to_string())
        .collect();
    paths.sort();
    assert_eq!(
        paths,
        [
            "spec.podTemplate.hostNetwork",
            "spec.taskRunSpecs[0].stepOverrides[0].resources.limits",
            "spec.timeout"
        ]
    );
}

#[test]
fn other_versions_stay_as_they_are() {
    for (api_version, kind) in [
        ("tekton.dev/v1", "Task"),
        ("tekton.dev/v1beta1", "CustomRun"),
        ("v1", "Secret"),
    ] {
        let object = json!({"apiVersion": api_version, "kind": kind, "spec": {"resources": 1, "timeout": 2}});
        let mut same = object.clone();
        let conversion = to_v1(&mut same, &mut Problems::default());
        assert_eq!(same, object);
        let path = Path::of_keys(&["spec", "timeout"]);
        assert_eq!(conversion.original(&path), path);
    }
}
