use serde_json::{Value, json};

use super::{named, problems};
use crate::{Object, Operation, admit};

fn run(spec: Value) -> Vec<String> {
    problems(named("PipelineRun", &spec))
}

#[test]
fn a_run_names_one_pipeline() {
    assert_eq!(
        run(json!({})),
        ["spec: says not what to run, expected pipelineRef or pipelineSpec"]
    );
    assert_eq!(
        run(json!({"pipelineRef": {}})),
        ["spec.pipelineRef.name: is missing, expected the name of a Pipeline, or a resolver"]
    );
    let embedded = json!({"tasks": [{"name": "t", "taskRef": {"name": "x"}, "params": [{"name": "p", "value": "$(params.given)"}],
        "workspaces": [{"name": "w"}]}]});
    assert_eq!(
        run(json!({"pipelineSpec": embedded})),
        Vec::<String>::new(),
        "values and workspaces propagate"
    );
    assert_eq!(
        run(json!({"pipelineRef": {"name": "p"}, "pipelineSpec": embedded})),
        ["spec: pipelineRef and pipelineSpec together, expected exactly one"]
    );
    assert_eq!(
        problems(named("TaskRun", &json!({}))),
        ["spec: says not what to run, expected taskRef or taskSpec"]
    );
}

#[test]
fn timeouts_fit_into_each_other() {
    for (timeouts, expected) in [
        (
            json!({"pipeline": "10m", "tasks": "6m", "finally": "5m"}),
            "spec.timeouts.tasks: tasks 6m0s and finally 5m0s together, expected at most 10m0s, the timeout of the pipeline",
        ),
        (
            json!({"tasks": "2h"}),
            "spec.timeouts.tasks: 2h0m0s, expected at most 1h0m0s, the timeout of the pipeline",
        ),
        (
            json!({"finally": "0"}),
            "spec.timeouts.finally: 0 means no limit, but the pipeline has one, expected at most 1h0m0s, the timeout of the pipeline (or set timeouts.pipeline to 0)",
        ),
        (
            json!({"pipeline": "-1s"}),
            "spec.timeouts.pipeline: -1s is negative, expected 0 or more",
        ),
    ] {
        let found = run(json!({"pipelineRef": {"name": "p"}, "timeouts": timeouts}));
        assert!(found.contains(&expected.to_owned()), "{expected}\n{found:?}");
    }
    for timeouts in [
        json!({"pipeline": "0", "tasks": "0", "finally": "5h"}),
        json!({"pipeline": "10m", "tasks": "6m", "finally": "4m"}),
    ] {
        assert_eq!(
            run(json!({"pipelineRef": {"name": "p"}, "timeouts": timeouts})),
            Vec::<String>::new()
        );
    }
}

#[test]
fn bindings_have_one_volume() {
    let bind = |binding: Value| run(json!({"pipelineRef": {"name": "p"}, "workspaces": [binding]}));
    for (binding, expected) in [
        (
            json!({"name": "w"}),
            "spec.workspaces[0]: has no volume, expected one of emptyDir, persistentVolumeClaim, volumeClaimTemplate, configMap, secret, projected or csi",
        ),
        (
            json!({"name": "w", "emptyDir": {}, "secret": {"secretName": "s"}}),
            "spec.workspaces[0]: has 2 volumes: emptyDir, secret, expected exactly one",
        ),
        (
            json!({"name": "w", "secret": {}}),
            "spec.workspaces[0].secret.secretName: is missing",
        ),
        (
            json!({"name": "w", "persistentVolumeClaim": {"claimName": ""}}),
            "spec.workspaces[0].persistentVolumeClaim.claimName: is missing",
        ),
        (
            json!({"name": "w", "emptyDir": {}, "subPath": "a/../../b"}),
            r#"spec.workspaces[0].subPath: "a/../../b" leaves the volume, expected a relative path without "..""#,
        ),
        (
            json!({"name": "../..", "emptyDir": {}}),
            r#"spec.workspaces[0].name: "../.." cannot be a workspace's name"#,
        ),
    ] {
        assert_eq!(bind(binding), [expected]);
    }
    assert_eq!(
        bind(json!({"name": "w", "volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}})),
        Vec::<String>::new()
    );
}

#[test]
fn other_fields_of_runs() {
    for (fields, expected) in [
        (
            json!({"params": [{"name": "p", "value": "$(tasks.a.results.b)"}]}),
            "warning: spec.params[0].value: $(tasks.a.results.b) stays as it is (no task has run when a run's parameters are read)",
        ),
        (
            json!({"managedBy": "me"}),
            r#"spec.managedBy: "me" names no manager, expected <domain>/<name>"#,
        ),
        (
            json!({"taskRunSpecs": [{"pipelineTaskName": "a"}, {"pipelineTaskName": "a"}]}),
            r#"spec.taskRunSpecs[1].pipelineTaskName: "a" stands twice"#,
        ),
        (
            json!({"taskRunSpecs": [{"pipelineTaskName": "a", "computeResources": {}, "stepSpecs": [{"name": "s"}]}]}),
            "spec.taskRunSpecs[0].computeResources: stands beside stepSpecs, expected one or the other",
        ),
        (
            json!({"status": "Stop"}),
            r#"spec.status: "Stop" is not a status, expected Cancelled, CancelledRunFinally, StoppedRunFinally or PipelineRunPending"#,
        ),
    ] {
        let mut spec = json!({"pipelineRef": {"name": "p"}});
        spec.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        assert_eq!(run(spec), [expected]);
    }
    assert_eq!(
        problems(named(
            "TaskRun",
            &json!({"taskRef": {"name": "t"}, "statusMessage": "why"})
        )),
        ["spec.statusMessage: without a status, expected a status beside it"]
    );
}

/// Problems of an update from one spec to another; `started` sets the stored start time.
fn update(kind: &str, old: Value, new: Value, started: bool) -> Vec<String> {
    let mut stored: Object = admit(named(kind, &old), Operation::Create, true).unwrap().object;
    if started {
        stored
            .rest
            .insert("status".to_owned(), json!({"startTime": "2026-01-02T03:04:05Z"}));
    }
    match admit(named(kind, &new), Operation::Update { old: &stored }, true) {
        Ok(_) => Vec::new(),
        Err(rejected) => rejected.problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_started_run_keeps_its_spec() {
    let plain = json!({"pipelineRef": {"name": "p"}});
    let other = json!({"pipelineRef": {"name": "q"}});
    let pending = json!({"pipelineRef": {"name": "p"}, "status": "PipelineRunPending"});
    let cancelled = json!({"pipelineRef": {"name": "p"}, "status": "Cancelled"});
    let managed = json!({"pipelineRef": {"name": "p"}, "managedBy": "a.b/c"});
    let frozen = "spec: Once the PipelineRun has started, only status updates are allowed";
    let again = "spec.status: a PipelineRun cannot be pending again once it was started";
    let none: [&str; 0] = [];
    assert_eq!(update("PipelineRun", plain.clone(), plain.clone(), true), none);
    assert_eq!(update("PipelineRun", plain.clone(), other.clone(), true), [frozen]);
    assert_eq!(update("PipelineRun", plain.clone(), cancelled, true), none);
    assert_eq!(update("PipelineRun", pending.clone(), other, false), none);
    assert_eq!(update("PipelineRun", plain.clone(), pending.clone(), true), [again]);
    assert_eq!(update("PipelineRun", pending, plain.clone(), false), none);
    assert_eq!(
        update("PipelineRun", plain, managed, false),
        ["spec.managedBy: is immutable, expected no value, as when it was created"]
    );
}

#[test]
fn a_started_task_run_keeps_its_spec() {
    let plain = json!({"taskRef": {"name": "t"}});
    let cancelled = json!({"taskRef": {"name": "t"}, "status": "TaskRunCancelled", "statusMessage": "enough"});
    let none: [&str; 0] = [];
    assert_eq!(update("TaskRun", plain.clone(), cancelled, true), none);
    assert_eq!(
        update("TaskRun", plain, json!({"taskRef": {"name": "u"}}), true),
        ["spec: Once the TaskRun has started, only status updates are allowed"]
    );
}
