use serde_json::{Value, json};

use super::{named, problems};

fn pipeline(spec: Value) -> Vec<String> {
    problems(named("Pipeline", &spec))
}

fn tasks(tasks: Value) -> Vec<String> {
    pipeline(
        json!({"params": [{"name": "s"}, {"name": "a", "type": "array"}], "workspaces": [{"name": "src"}], "tasks": tasks}),
    )
}

/// One task beside `first`, which declares the result `out`.
fn second(mut task: Value) -> Vec<String> {
    let fields = task.as_object_mut().unwrap();
    fields.entry("name").or_insert(json!("second"));
    fields.entry("taskRef").or_insert(json!({"name": "t"}));
    fields.retain(|_, value| !value.is_null());
    tasks(json!([{"name": "first", "taskSpec": {"steps": [{"image": "i"}], "results": [{"name": "out"}]}}, task]))
}

#[test]
fn a_task_says_what_to_run() {
    for (task, expected) in [
        (
            json!({"taskRef": null}),
            "spec.tasks[1]: says not what to run, expected taskRef or taskSpec",
        ),
        (
            json!({"taskSpec": {"steps": [{"image": "i"}]}}),
            "spec.tasks[1]: taskRef and taskSpec together, expected exactly one",
        ),
        (
            json!({"taskRef": {}}),
            "spec.tasks[1].taskRef.name: is missing, expected the name of a Task, or a resolver",
        ),
        (
            json!({"taskRef": {"name": "x", "resolver": "git"}}),
            "spec.tasks[1].taskRef: name and resolver together, expected one or the other",
        ),
        (
            json!({"taskRef": {"name": "x", "params": [{"name": "p", "value": ""}]}}),
            "spec.tasks[1].taskRef.params: without a resolver (a Task's params stand beside taskRef)",
        ),
        (
            json!({"taskRef": {"name": "x", "kind": "ClusterTask"}}),
            "spec.tasks[1].taskRef.kind: ClusterTask does not exist any more (use a Task of the namespace, or the cluster resolver)",
        ),
        (
            json!({"taskRef": null, "taskSpec": {"apiVersion": "a/v1", "spec": {}}}),
            "spec.tasks[1].taskSpec: apiVersion and kind of a custom task come together, expected both or neither",
        ),
        (
            json!({"name": "first"}),
            r#"spec.tasks[1].name: the name "first" stands twice"#,
        ),
        (
            json!({"name": "a_b"}),
            r#"spec.tasks[1].name: "a_b" cannot be a task's name, expected lower case letters, digits and inner dashes, at most 63"#,
        ),
        (
            json!({"retries": 1, "onError": "continue"}),
            "spec.tasks[1].retries: stands beside onError: continue, expected one or the other",
        ),
        (
            json!({"timeout": "-1s"}),
            "spec.tasks[1].timeout: -1s is negative, expected 0 or more",
        ),
        (
            json!({"workspaces": [{"name": "w", "workspace": "sr"}]}),
            r#"spec.tasks[1].workspaces[0].workspace: the pipeline declares no workspace "sr" (did you mean "src"?)"#,
        ),
        (
            json!({"workspaces": [{"name": "src", "subPath": "../.."}]}),
            r#"spec.tasks[1].workspaces[0].subPath: "../.." leaves the volume, expected a relative path without "..""#,
        ),
    ] {
        let found = second(task);
        assert!(found.contains(&expected.to_owned()), "{expected}\n{found:?}");
    }
    assert_eq!(
        second(json!({"taskRef": {"name": "x", "apiVersion": "tekton.dev/v1"}})),
        [
            "warning: spec.tasks[1].taskRef.apiVersion: together with kind it makes this a custom task, which nothing here runs (remove apiVersion)"
        ]
    );
    for task in [
        json!({"taskRef": {"apiVersion": "example.com/v1", "kind": "Approval"}}),
        json!({"taskRef": null, "taskSpec": {"apiVersion": "a/v1", "kind": "B", "spec": {"any": [1]}}}),
        json!({"taskRef": null, "pipelineSpec": {"tasks": [{"name": "t", "taskRef": {"name": "x"}}]}}),
        json!({"taskRef": {"resolver": "git", "params": [{"name": "url", "value": "$(params.s)"}]}}),
        json!({"workspaces": [{"name": "src"}], "retries": 3, "onError": "stopAndFail"}),
    ] {
        assert_eq!(second(task), Vec::<String>::new());
    }
}

#[test]
fn references_must_lead_somewhere() {
    for (task, expected) in [
        (
            json!({"runAfter": ["frist"]}),
            r#"spec.tasks[1].runAfter[0]: there is no task "frist" (did you mean "first"?)"#,
        ),
        (
            json!({"params": [{"name": "p", "value": "$(tasks.frist.results.out)"}]}),
            r#"spec.tasks[1].params[0].value: $(tasks.frist.results.out): there is no task "frist" (did you mean "first"?)"#,
        ),
        (
            json!({"params": [{"name": "p", "value": "$(tasks.first.results.oot)"}]}),
            r#"warning: spec.tasks[1].params[0].value: $(tasks.first.results.oot): task "first" declares no result "oot" (did you mean "out"?)"#,
        ),
        (
            json!({"params": [{"name": "p", "value": "$(params.x)"}]}),
            r#"spec.tasks[1].params[0].value: $(params.x): no parameter "x" is declared (declare it under params)"#,
        ),
        (
            json!({"params": [{"name": "p", "value": "x$(params.a[*])"}]}),
            "spec.tasks[1].params[0].value: $(params.a[*]) is a list, expected nothing else beside a list, or one element, as in [0]",
        ),
        (
            json!({"params": [{"name": "p", "value": "$(tt.params.x)"}]}),
            r#"spec.tasks[1].params[0].value: $(tt.params.x) begins with "tt", expected params, tasks, finally, context, workspaces or results"#,
        ),
        (
            json!({"params": [{"name": "p", "value": "a"}, {"name": "p", "value": "b"}]}),
            r#"spec.tasks[1].params[1].name: parameter "p" is given twice"#,
        ),
        (
            json!({"when": [{"input": "$(tasks.status)", "operator": "in", "values": ["Failed"]}]}),
            "spec.tasks[1].when[0].input: $(tasks.status) is known only in finally",
        ),
        (
            json!({"when": [{"input": "$(tasks.first.status)", "operator": "in", "values": ["Failed"]}]}),
            "spec.tasks[1].when[0].input: $(tasks.first.status) is known only in finally",
        ),
        (
            json!({"when": [{"input": "x", "operator": "is", "values": ["y"]}]}),
            r#"spec.tasks[1].when[0].operator: "is" is not an operator, expected in or notin (or use `cel:`)"#,
        ),
        (
            json!({"when": [{"input": "x", "operator": "in"}]}),
            "spec.tasks[1].when[0].values: is missing, expected at least one value",
        ),
        (
            json!({"when": [{"cel": "true", "input": "x"}]}),
            "spec.tasks[1].when[0].cel: stands beside input, operator or values, expected one or the other",
        ),
        (
            json!({"displayName": "$(context.pipelineRun.id)"}),
            "spec.tasks[1].displayName: $(context.pipelineRun.id) does not exist, expected context.pipelineRun.name, context.pipelineRun.namespace, context.pipelineRun.uid, context.pipeline.name or context.pipelineTask.retries",
        ),
    ] {
        assert_eq!(second(task), [expected]);
    }
    let good = json!({"params": [
        {"name": "l", "value": "$(params.a[*])"}, {"name": "m", "value": ["$(params.a[*])", "x"]},
        {"name": "r", "value": "v-$(tasks.first.results.out)"}, {"name": "shell", "value": "$(date) $(cat a.txt)"},
    ], "when": [{"input": "$(params.a[0])", "operator": "in", "values": ["$(params.a[*])"]}, {"cel": "'a' == 'a'"}]});
    assert_eq!(second(good), Vec::<String>::new());
}

#[test]
fn tasks_do_not_wait_for_each_other() {
    let node = |name: &str, after: &[&str]| json!({"name": name, "taskRef": {"name": "t"}, "runAfter": after});
    assert_eq!(
        tasks(json!([
            node("a", &[]),
            node("b", &["d", "a"]),
            node("c", &["b"]),
            node("d", &["c"])
        ])),
        [
            "spec.tasks[1]: the tasks wait for each other: b after d after c after b (remove a runAfter or a use of a result)"
        ]
    );
    assert_eq!(
        tasks(
            json!([{"name": "a", "taskRef": {"name": "t"}, "params": [{"name": "p", "value": "$(tasks.a.results.r)"}]}])
        ),
        ["spec.tasks[0]: the tasks wait for each other: a after a (remove a runAfter or a use of a result)"]
    );
    let script = json!({"steps": [{"image": "i", "script": "echo $(tasks.b.results.r)"}]});
    assert_eq!(
        tasks(json!([{"name": "a", "taskSpec": script}, node("b", &["a"])])),
        ["spec.tasks[0]: the tasks wait for each other: a after b after a (remove a runAfter or a use of a result)"]
    );
}

#[test]
fn finally_has_rules_of_its_own() {
    let with = |task: Value| {
        let mut last = json!({"name": "last", "taskRef": {"name": "t"}});
        last.as_object_mut().unwrap().extend(task.as_object().unwrap().clone());
        pipeline(
            json!({"tasks": [{"name": "first", "taskRef": {"name": "t"}}], "finally": [{"name": "other", "taskRef": {"name": "t"}}, last]}),
        )
    };
    let value = |text: &str| json!({"params": [{"name": "p", "value": text}]});
    assert_eq!(
        with(json!({"runAfter": ["first"]})),
        ["spec.finally[1].runAfter: tasks of finally have no order (they start together)"]
    );
    assert_eq!(
        with(value("$(tasks.other.results.r)")),
        [
            r#"spec.finally[1].params[0].value: $(tasks.other.results.r): "other" stands in finally, expected a task that is over by then"#
        ]
    );
    assert_eq!(
        with(value("$(finally.other.results.r)")),
        [
            "spec.finally[1].params[0].value: $(finally.other.results.r): results of finally can be read by the pipeline's results only"
        ]
    );
    assert_eq!(
        with(value(
            "$(tasks.status) $(tasks.first.status) $(tasks.first.reason) $(tasks.first.results.r)"
        )),
        Vec::<String>::new()
    );
    assert_eq!(
        with(json!({"name": "first"})),
        [r#"spec.finally[1].name: the name "first" stands twice"#]
    );
}

#[test]
fn matrices_fan_lists_out() {
    for (matrix, expected) in [
        (json!({}), "spec.tasks[1].matrix: is empty, expected params or include"),
        (
            json!({"params": [{"name": "p", "value": "x"}]}),
            "spec.tasks[1].matrix.params[0].value: not a list, expected a list of strings",
        ),
        (
            json!({"include": [{"params": [{"name": "p", "value": ["x"]}]}]}),
            "spec.tasks[1].matrix.include[0].params[0].value: not a string, expected a string",
        ),
        (
            json!({"params": [{"name": "q", "value": ["x"]}]}),
            r#"spec.tasks[1].matrix: parameter "q" stands in params too, expected one or the other"#,
        ),
        (
            json!({"params": [{"name": "a", "value": vec!["x"; 16]}, {"name": "b", "value": vec!["x"; 17]}]}),
            "spec.tasks[1].matrix: 272 combinations, expected at most 256",
        ),
    ] {
        assert_eq!(
            second(json!({"matrix": matrix, "params": [{"name": "q", "value": ""}]})),
            [expected]
        );
    }
    let good = json!({"params": [{"name": "p", "value": "$(params.a[*])"}, {"name": "b", "value": vec!["x"; 256]}], "include": [{"name": "n", "params": []}]});
    assert_eq!(second(json!({"matrix": good})), Vec::<String>::new());
}

#[test]
fn results_come_from_tasks() {
    let with = |value: &str| {
        pipeline(
            json!({"tasks": [{"name": "first", "taskRef": {"name": "t"}}], "results": [{"name": "r", "value": value}]}),
        )
    };
    assert_eq!(
        with("$(tasks.first.results.out) at $(context.pipelineRun.name)"),
        Vec::<String>::new()
    );
    assert_eq!(
        with("$(tasks.fist.results.out)"),
        [r#"spec.results[0].value: $(tasks.fist.results.out): there is no task "fist" (did you mean "first"?)"#]
    );
    assert_eq!(
        with("text"),
        [
            "warning: spec.results[0].value: no reference to a result: this result is left out, expected $(tasks.<task>.results.<result>)"
        ]
    );
    assert_eq!(
        pipeline(json!({})),
        ["spec.tasks: is missing, expected at least one task"]
    );
}
