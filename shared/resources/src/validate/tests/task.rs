use serde_json::{Value, json};

use super::{named, problems};

fn task(spec: Value) -> Vec<String> {
    problems(named("Task", &spec))
}

fn step(step: Value) -> Vec<String> {
    task(
        json!({"params": [{"name": "s"}, {"name": "a", "type": "array"}, {"name": "o", "properties": {"k": {}}}],
        "results": [{"name": "out"}], "workspaces": [{"name": "src"}], "steps": [step]}),
    )
}

#[test]
fn a_task_needs_steps_and_steps_need_images() {
    assert_eq!(task(json!({})), ["spec.steps: is missing, expected at least one step"]);
    assert_eq!(
        task(json!({"steps": [{}]})),
        ["spec.steps[0].image: is missing (or set it in stepTemplate)"]
    );
    assert_eq!(
        task(json!({"stepTemplate": {"image": "i"}, "steps": [{}]})),
        Vec::<String>::new()
    );
}

#[test]
fn steps_say_one_thing() {
    for (value, expected) in [
        (
            json!({"image": "i", "script": "x", "command": ["y"]}),
            "spec.steps[0].script: stands beside command, expected one or the other",
        ),
        (
            json!({"ref": {"name": "a"}, "image": "i"}),
            "spec.steps[0].image: stands beside ref: it comes from the StepAction",
        ),
        (
            json!({"ref": {}}),
            "spec.steps[0].ref: is empty, expected name or resolver",
        ),
        (
            json!({"image": "i", "params": [{"name": "p", "value": "v"}]}),
            "spec.steps[0].params: a step has params only together with ref",
        ),
        (
            json!({"image": "i", "onError": "go on"}),
            r#"spec.steps[0].onError: "go on" is not known, expected continue or stopAndFail"#,
        ),
        (
            json!({"image": "i", "timeout": "-1s"}),
            "spec.steps[0].timeout: -1s is negative, expected 0 or more",
        ),
        (
            json!({"image": "i", "name": "A"}),
            r#"spec.steps[0].name: "A" cannot be a container's name, expected lower case letters, digits and inner dashes, at most 63"#,
        ),
        (
            json!({"image": "i", "volumeMounts": [{"name": "v", "mountPath": "/tekton/bin"}]}),
            r#"spec.steps[0].volumeMounts[0].mountPath: "/tekton/bin" is reserved, expected a path outside /tekton/, or below /tekton/home"#,
        ),
        (
            json!({"image": "i", "workspaces": [{"name": "scr"}]}),
            r#"spec.steps[0].workspaces[0].name: no workspace "scr" is declared (did you mean "src"?)"#,
        ),
        (
            json!({"image": "i", "when": [{"input": "x"}]}),
            "spec.steps[0].when[0].operator: is missing, expected in or notin (or use `cel:`)",
        ),
    ] {
        let found = step(value);
        assert!(found.contains(&expected.to_owned()), "{expected}\n{found:?}");
    }
    for value in [
        json!({"image": "i", "onError": "$(params.s)", "volumeMounts": [{"name": "v", "mountPath": "/tekton/home/x"}]}),
        json!({"ref": {"name": "a"}, "params": [{"name": "p", "value": "$(params.o[*])"}]}),
    ] {
        assert_eq!(step(value), Vec::<String>::new());
    }
}

#[test]
fn variables_must_be_declared_and_fit_their_place() {
    for (value, expected) in [
        (
            json!({"image": "$(params.x)"}),
            r#"spec.steps[0].image: $(params.x): no parameter "x" is declared (declare it under params)"#,
        ),
        (
            json!({"image": "i", "script": "echo $(params.a)"}),
            "spec.steps[0].script: $(params.a) is a list, expected one element, as in [0]: no list can stand here",
        ),
        (
            json!({"image": "i", "args": ["x $(params.a[*])"]}),
            "spec.steps[0].args[0]: $(params.a[*]) is a list, expected nothing else beside a list, or one element, as in [0]",
        ),
        (
            json!({"image": "i", "env": [{"name": "E", "value": "$(params.o)"}]}),
            "spec.steps[0].env[0].value: $(params.o) is an object, expected $(params.o.<key>)",
        ),
        (
            json!({"image": "i", "script": "$(params.o.z)"}),
            r#"spec.steps[0].script: $(params.o.z): the object has no key "z", expected k"#,
        ),
        (
            json!({"image": "i", "script": "> $(results.ou.path)"}),
            r#"spec.steps[0].script: $(results.ou.path): no result "ou" is declared (did you mean "out"?)"#,
        ),
        (
            json!({"image": "i", "script": "cd $(workspaces.x.path)"}),
            r#"warning: spec.steps[0].script: $(workspaces.x.path): no workspace "x" is declared, the text stays as it is"#,
        ),
        (
            json!({"image": "i", "script": "$(context.taskRun.id)"}),
            "spec.steps[0].script: $(context.taskRun.id) does not exist, expected context.taskRun.name, context.taskRun.namespace, context.taskRun.uid, context.task.name or context.task.retry-count",
        ),
    ] {
        assert_eq!(step(value), [expected]);
    }
    let good = json!({"image": "i:$(params['s'])", "args": ["$(params.a[*])", "$(params.a)", "$(params.a[1]) and $(params.o.k)"],
        "script": "#!/bin/sh\n$(date) $(foo.bar) $(inputs.params.s) > $(results['out'].path); cd $(workspaces.src.path) $(context.task.retry-count)"});
    assert_eq!(step(good), Vec::<String>::new());
}

#[test]
fn declarations_are_checked() {
    let spec = json!({"steps": [{"image": "i"}], "params": [
        {"name": "a"}, {"name": "A"}, {"name": "1"}, {"name": ""},
        {"name": "t", "type": "array", "default": "x"},
        {"name": "m", "type": "array", "default": ["x", true]},
        {"name": "o", "type": "object"},
        {"name": "e", "enum": ["x", "x"], "default": "y"},
    ], "results": [{"name": "r"}, {"name": "r"}, {"name": "-"}, {"name": "v", "value": "text"}, {"name": "w", "value": "$(steps.s.results.q)"}]});
    assert_eq!(
        task(spec),
        [
            r#"spec.params[1].name: parameter "A" is declared twice (names differ by more than case)"#,
            r#"spec.params[2].name: "1" cannot be a parameter's name, expected letters, digits, dashes, dots and underscores, not beginning with a digit or dash"#,
            "spec.params[3].name: is missing",
            "spec.params[4].default: a default of type string, expected type array, as declared",
            "spec.params[5].default: a default of type string, expected type array, as declared (every element must be a string: put numbers, yes, no, y and n in quotes)",
            "spec.params[6].properties: is missing, expected the keys of the object",
            r#"spec.params[7].default: "y" is not in the enum"#,
            "spec.params[7].enum: a value stands twice",
            r#"spec.results[1].name: result "r" is declared twice"#,
            r#"spec.results[2].name: "-" cannot be a result's name, expected letters, digits, and inner dashes, dots and underscores"#,
            "spec.results[3].value: not a step's result, expected $(steps.<step>.results.<result>), or no value at all",
        ]
    );
}

#[test]
fn workspaces_stay_in_their_folder() {
    let spec = json!({"steps": [{"image": "i"}], "workspaces": [
        {"name": "a", "mountPath": "/workspace/../../etc"}, {"name": "b", "mountPath": "x"}, {"name": "c", "mountPath": "/w"},
        {"name": "d", "mountPath": "/w"}, {"name": "d"}, {"name": "../.."}, {"name": "f", "mountPath": "/tekton/bin"},
    ]});
    assert_eq!(
        task(spec),
        [
            r#"spec.workspaces[0].mountPath: "/workspace/../../etc" leaves its folder with "..", expected a path without "..""#,
            r#"spec.workspaces[1].mountPath: "x" is relative, expected a path that begins with /"#,
            r#"spec.workspaces[3].mountPath: two workspaces are mounted at "/w""#,
            r#"spec.workspaces[4].name: workspace "d" stands twice"#,
            r#"spec.workspaces[5].mountPath: "/workspace/../.." leaves its folder with "..", expected a path without "..""#,
            r#"spec.workspaces[5].name: "../.." cannot be a workspace's name"#,
            r#"spec.workspaces[6].mountPath: "/tekton/bin" is reserved"#,
        ]
    );
}

#[test]
fn a_step_action_is_checked_like_a_step() {
    let action = |spec: Value| {
        problems(
            json!({"apiVersion": "tekton.dev/v1beta1", "kind": "StepAction", "metadata": {"name": "x"}, "spec": spec}),
        )
    };
    assert_eq!(
        action(json!({"script": "x", "command": ["y"], "args": ["$(params.p)"], "params": [{"name": "1"}]})),
        [
            r#"spec.args[0]: $(params.p): no parameter "p" is declared (declare it under params)"#,
            "spec.image: is missing",
            r#"spec.params[0].name: "1" cannot be a parameter's name, expected letters, digits, dashes, dots and underscores, not beginning with a digit or dash"#,
            "spec.script: stands beside command, expected one or the other",
        ]
    );
    assert_eq!(
        action(json!({"image": "i", "params": [{"name": "a", "type": "array"}], "args": ["$(params.a[*])"]})),
        Vec::<String>::new()
    );
}
