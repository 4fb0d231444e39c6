use serde_json::{Value, json};

use super::decode;
use crate::problem::Problems;
use crate::{Pipeline, Task};

fn faults<T: serde::de::DeserializeOwned>(value: &Value, strict: bool) -> (Option<T>, Vec<String>) {
    let mut problems = Problems::default();
    let typed = decode(value, strict, &mut problems);
    let lines = problems
        .into_vec()
        .iter()
        .map(|problem| format!("{:?} {problem}", problem.severity))
        .collect();
    (typed, lines)
}

#[test]
fn names_match_whatever_their_case() {
    let value = json!({"Kind": "Task", "spec": {"Steps": [{"name": "a", "workingdir": "/x", "volumemounts": [{"name": "v", "mountpath": "/v"}]}]}});
    let (task, lines) = faults::<Task>(&value, false);
    let step = &task.unwrap().spec.steps[0];
    assert_eq!(
        (step.working_dir.as_str(), step.volume_mounts[0].mount_path.as_str()),
        ("/x", "/v")
    );
    assert_eq!(lines.len(), 5);
    assert!(
        lines.contains(&r#"Warning spec.Steps[0].workingdir: field "workingdir" is written "workingDir""#.to_owned()),
        "{lines:?}"
    );
}

#[test]
fn the_exact_name_wins() {
    let (task, lines) = faults::<Task>(
        &json!({"spec": {"description": "right", "Description": "wrong"}}),
        false,
    );
    assert_eq!(task.unwrap().spec.description, "right");
    assert_eq!(
        lines,
        [r#"Warning spec.Description: unknown field "Description" (did you mean "description"?)"#]
    );
}

#[test]
fn unknown_fields_are_named_with_the_nearest_known_one() {
    let value = json!({"spec": {"steps": [{"imgae": "x", "env": [{"nmae": "x"}], "zzz": 1}]}});
    let (task, mut lines) = faults::<Task>(&value, true);
    assert!(task.is_some());
    lines.sort();
    assert_eq!(
        lines,
        [
            r#"Error spec.steps[0].env[0].nmae: unknown field "nmae" (did you mean "name"?)"#,
            r#"Error spec.steps[0].imgae: unknown field "imgae" (did you mean "image"?)"#,
            r#"Error spec.steps[0].zzz: unknown field "zzz""#,
        ]
    );
}

#[test]
fn faults_of_type_are_told_together() {
    let value = json!({"spec": {
        "description": 7,
        "tasks": [
            {"name": true, "retries": -1, "timeout": "soon", "when": [{"operator": "is"}]},
            {"taskRef": "clone", "runAfter": "x", "taskSpec": {"steps": [{"env": [{"name": "A", "value": 1.5}], "tty": "true"}]}},
        ],
        "workspaces": [[]],
    }});
    let (pipeline, mut lines) = faults::<Pipeline>(&value, false);
    assert!(pipeline.is_none());
    lines.sort();
    assert_eq!(
        lines,
        [
            "Error spec.description: found the number 7, expected a string (put it in quotes)",
            r#"Error spec.tasks[0].name: found true, expected a string (put it in quotes: y, n, yes, no, on and off are booleans too)"#,
            "Error spec.tasks[0].retries: found the number -1, expected a whole number, 0 or more",
            r#"Error spec.tasks[0].timeout: "soon" is not a duration, expected one such as 1h30m, 90s or 0"#,
            r#"Error spec.tasks[0].when[0].operator: "is" is not an operator, expected in or notin (or use `cel:`)"#,
            r#"Error spec.tasks[1].runAfter: found the text "x", expected a list"#,
            r#"Error spec.tasks[1].taskRef: found the text "clone", expected an object"#,
            "Error spec.tasks[1].taskSpec.steps[0].env[0].value: found the number 1.5, expected a string (put it in quotes)",
            "Error spec.workspaces[0]: found a list, expected an object",
            r#"Warning spec.tasks[1].taskSpec.steps[0].tty: unknown field "tty""#,
        ]
    );
}

#[test]
fn null_is_absence_and_quantities_may_be_numbers() {
    let value = json!({"metadata": {"creationTimestamp": null, "name": "x"}, "spec": {"params": null, "steps": [
        {"image": null, "computeResources": {"requests": {"cpu": 1, "memory": "64Mi"}, "limits": {"cpu": 1.5}}},
    ]}});
    let (task, lines) = faults::<Task>(&value, true);
    assert_eq!(lines, Vec::<String>::new());
    let resources = task.unwrap().spec.steps[0].compute_resources.clone().unwrap();
    assert_eq!(resources.requests.unwrap()["cpu"].0, "1");
    assert_eq!(resources.limits.unwrap()["cpu"].0, "1.5");
}
