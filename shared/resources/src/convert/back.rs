//! From what is stored to an older version, for clients that ask for that one.

use serde_json::{Map, Value};

use super::fields;
use crate::kind::split_api_version;
use crate::names;

/// Rewrites a stored object as `api_version` has it. A version that differs in nothing but its name
/// only gets the name; what the older version cannot hold stays as it is.
pub fn from_stored(object: &mut Value, api_version: &str) {
    let (group, _) = split_api_version(api_version);
    let Some(fields) = object.as_object_mut() else { return };
    fields.insert("apiVersion".to_owned(), api_version.into());
    if group != "tekton.dev" || api_version != names::TEKTON_V1BETA1 {
        return;
    }
    let kind = fields
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    match kind.as_str() {
        "Task" => {
            let kept = kept(fields);
            if let Some(spec) = fields::object(fields, "spec") {
                task_spec(spec);
                restore(spec, &kept);
            }
        }
        "Pipeline" => {
            if let Some(spec) = fields::object(fields, "spec") {
                pipeline_spec(spec);
            }
        }
        "TaskRun" => task_run(fields),
        "PipelineRun" => pipeline_run(fields),
        _ => {}
    }
}

/// What [`super::to_v1`] kept in an annotation; it is taken out of it.
fn kept(object: &mut Map<String, Value>) -> Map<String, Value> {
    let annotations = fields::object(object, "metadata").and_then(|metadata| fields::object(metadata, "annotations"));
    let text = annotations.and_then(|annotations| annotations.remove(names::ANNOTATION_TASK_DEPRECATIONS));
    let text = text.as_ref().and_then(Value::as_str).unwrap_or_default();
    serde_json::from_str(text).unwrap_or_default()
}

fn restore(spec: &mut Map<String, Value>, kept: &Map<String, Value>) {
    let steps = kept.get("steps").and_then(Value::as_array);
    for (index, step) in fields::objects(spec, "steps") {
        let lost = steps.and_then(|steps| steps.get(index)).and_then(Value::as_object);
        step.extend(lost.cloned().unwrap_or_default());
    }
    if let Some(lost) = kept.get("stepTemplate").and_then(Value::as_object) {
        let template = spec.entry("stepTemplate").or_insert_with(|| Value::Object(Map::new()));
        if let Some(template) = template.as_object_mut() {
            template.extend(lost.clone());
        }
    }
}

fn task_spec(spec: &mut Map<String, Value>) {
    for list in ["steps", "sidecars"] {
        for (_, container) in fields::objects(spec, list) {
            fields::rename(container, "computeResources", "resources");
        }
    }
    if let Some(template) = fields::object(spec, "stepTemplate") {
        fields::rename(template, "computeResources", "resources");
    }
}

fn pipeline_spec(spec: &mut Map<String, Value>) {
    for list in ["tasks", "finally"] {
        for (_, task) in fields::objects(spec, list) {
            if let Some(embedded) = fields::object(task, "taskSpec") {
                task_spec(embedded);
            }
            if let Some(embedded) = fields::object(task, "pipelineSpec") {
                pipeline_spec(embedded);
            }
        }
    }
}

fn overrides(settings: &mut Map<String, Value>) {
    for (from, to) in [("stepSpecs", "stepOverrides"), ("sidecarSpecs", "sidecarOverrides")] {
        fields::rename(settings, from, to);
        for (_, container) in fields::objects(settings, to) {
            fields::rename(container, "computeResources", "resources");
        }
    }
}

fn task_run(object: &mut Map<String, Value>) {
    if let Some(spec) = fields::object(object, "spec") {
        overrides(spec);
        if let Some(embedded) = fields::object(spec, "taskSpec") {
            task_spec(embedded);
        }
    }
    if let Some(status) = fields::object(object, "status") {
        task_run_status(status);
    }
}

fn task_run_status(status: &mut Map<String, Value>) {
    fields::rename(status, "results", "taskResults");
    if let Some(embedded) = fields::object(status, "taskSpec") {
        task_spec(embedded);
    }
    for (_, attempt) in fields::objects(status, "retriesStatus") {
        task_run_status(attempt);
    }
}

fn pipeline_run(object: &mut Map<String, Value>) {
    if let Some(spec) = fields::object(object, "spec") {
        if let Some(Value::Object(template)) = fields::take(spec, "taskRunTemplate") {
            spec.extend(template);
        }
        if let Some(embedded) = fields::object(spec, "pipelineSpec") {
            pipeline_spec(embedded);
        }
        for (_, settings) in fields::objects(spec, "taskRunSpecs") {
            fields::rename(settings, "serviceAccountName", "taskServiceAccountName");
            fields::rename(settings, "podTemplate", "taskPodTemplate");
            overrides(settings);
        }
    }
    if let Some(status) = fields::object(object, "status") {
        fields::rename(status, "results", "pipelineResults");
        if let Some(embedded) = fields::object(status, "pipelineSpec") {
            pipeline_spec(embedded);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::convert::to_v1;
    use crate::problem::Problems;

    #[test]
    fn there_and_back_is_the_same() {
        for object in [
            json!({
                "apiVersion": "tekton.dev/v1beta1", "kind": "Task", "metadata": {"name": "a", "annotations": {}},
                "spec": {
                    "steps": [{"image": "i", "resources": {"requests": {"cpu": "1"}}, "tty": true}, {"image": "j"}],
                    "sidecars": [{"image": "k", "resources": {}}], "stepTemplate": {"name": "t", "resources": {}},
                },
            }),
            json!({
                "apiVersion": "tekton.dev/v1beta1", "kind": "PipelineRun", "metadata": {"name": "a"},
                "spec": {
                    "serviceAccountName": "robot", "podTemplate": {"nodeSelector": {"a": "b"}},
                    "pipelineSpec": {"tasks": [{"name": "t", "taskSpec": {"steps": [{"resources": {"limits": {}}}]}}]},
                    "taskRunSpecs": [{
                        "pipelineTaskName": "t", "taskServiceAccountName": "x",
                        "stepOverrides": [{"name": "s", "resources": {}}],
                    }],
                },
                "status": {"pipelineResults": [{"name": "r", "value": "v"}]},
            }),
            json!({
                "apiVersion": "tekton.dev/v1beta1", "kind": "TaskRun", "metadata": {"name": "a"},
                "spec": {"stepOverrides": [], "taskSpec": {"steps": [{"resources": {}}]}},
                "status": {"taskResults": [], "retriesStatus": [{"taskResults": []}]},
            }),
        ] {
            let mut value = object.clone();
            to_v1(&mut value, &mut Problems::default());
            assert_eq!(value["apiVersion"], "tekton.dev/v1");
            from_stored(&mut value, "tekton.dev/v1beta1");
            assert_eq!(value, object);
        }
    }

    #[test]
    fn other_kinds_only_change_their_version() {
        let mut value = json!({"apiVersion": "triggers.tekton.dev/v1beta1", "kind": "Trigger", "spec": {"a": 1}});
        from_stored(&mut value, "triggers.tekton.dev/v1alpha1");
        assert_eq!(value["apiVersion"], "triggers.tekton.dev/v1alpha1");
        assert_eq!(value["spec"], json!({"a": 1}));
    }
}
