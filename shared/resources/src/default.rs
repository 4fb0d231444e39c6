//! What is filled in before an object is stored.
//!
//! The filled-in values are part of the stored spec, as with Tekton: `tkn` shows them.

use std::collections::BTreeMap;

use crate::duration::Duration;
use crate::meta::ObjectMeta;
use crate::names;
use crate::object::{Pipeline, PipelineRun, StepAction, Task, TaskRun};
use crate::param::{ParamSpec, ParamType, PropertySpec};
use crate::pipeline::{PipelineSpec, PipelineTask, TaskRef};
use crate::task::{TaskResult, TaskSpec};

/// Time limit of a run that names none.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(60);

/// Kind of a `taskRef` that names none.
const TASK_KIND: &str = "Task";

/// Fills in what a Task leaves open.
pub fn task(task: &mut Task) {
    task_spec(&mut task.spec);
}

/// Fills in the types of a StepAction's parameters and results.
pub fn step_action(action: &mut StepAction) {
    params(&mut action.spec.params);
    results(&mut action.spec.results);
}

/// Fills in what a Pipeline leaves open.
pub fn pipeline(pipeline: &mut Pipeline) {
    pipeline_spec(&mut pipeline.spec);
}

/// Fills in what a TaskRun leaves open: account, time limit, kind, label.
pub fn task_run(run: &mut TaskRun) {
    let spec = &mut run.spec;
    if let Some(reference) = &mut spec.task_ref {
        task_ref(reference);
    }
    if let Some(embedded) = &mut spec.task_spec {
        task_spec(embedded);
    }
    spec.timeout.get_or_insert(DEFAULT_TIMEOUT);
    account(&mut spec.service_account_name);
    managed_by(&mut run.metadata);
}

/// Fills in what a PipelineRun leaves open: account, time limit, kinds.
pub fn pipeline_run(run: &mut PipelineRun) {
    let spec = &mut run.spec;
    if let Some(embedded) = &mut spec.pipeline_spec {
        pipeline_spec(embedded);
    }
    let timeouts = spec.timeouts.get_or_insert_default();
    timeouts.pipeline.get_or_insert(DEFAULT_TIMEOUT);
    account(&mut spec.task_run_template.service_account_name);
}

/// Fills in the types of a task's parameters and results.
pub fn task_spec(spec: &mut TaskSpec) {
    params(&mut spec.params);
    results(&mut spec.results);
    for step in &mut spec.steps {
        results(&mut step.results);
    }
}

/// Fills in the types of parameters and the kinds of references.
pub fn pipeline_spec(spec: &mut PipelineSpec) {
    params(&mut spec.params);
    for task in spec.tasks.iter_mut().chain(&mut spec.finally) {
        pipeline_task(task);
    }
}

fn pipeline_task(task: &mut PipelineTask) {
    if let Some(reference) = &mut task.task_ref {
        task_ref(reference);
    }
    if let Some(embedded) = task.task_spec.as_mut().filter(|embedded| !embedded.is_custom()) {
        params(&mut embedded.params);
        results(&mut embedded.results);
    }
    if let Some(embedded) = &mut task.pipeline_spec {
        pipeline_spec(embedded);
    }
}

fn task_ref(reference: &mut TaskRef) {
    if reference.kind.is_empty() && !reference.name.is_empty() {
        TASK_KIND.clone_into(&mut reference.kind);
    }
}

fn params(declared: &mut [ParamSpec]) {
    for param in declared {
        param.kind = Some(param.effective_type());
        properties(&mut param.properties);
    }
}

fn results(declared: &mut [TaskResult]) {
    for result in declared {
        result.kind = Some(result.effective_type());
        properties(&mut result.properties);
    }
}

fn properties(declared: &mut BTreeMap<String, PropertySpec>) {
    for property in declared.values_mut() {
        property.kind.get_or_insert(ParamType::String);
    }
}

fn account(name: &mut String) {
    if name.is_empty() {
        names::DEFAULT_SERVICE_ACCOUNT.clone_into(name);
    }
}

fn managed_by(metadata: &mut ObjectMeta) {
    let labels = metadata.labels.get_or_insert_default();
    labels
        .entry(names::LABEL_MANAGED_BY.to_owned())
        .or_insert_with(|| names::MANAGED_BY.to_owned());
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{pipeline_run, task_run};

    fn defaulted<T>(value: Value, fill: fn(&mut T)) -> Value
    where
        T: serde::de::DeserializeOwned + serde::Serialize,
    {
        let mut typed: T = serde_json::from_value(value).unwrap();
        fill(&mut typed);
        let once = serde_json::to_value(&typed).unwrap();
        fill(&mut typed);
        assert_eq!(
            serde_json::to_value(&typed).unwrap(),
            once,
            "a second time changes nothing"
        );
        once
    }

    #[test]
    fn a_task_run_gets_account_limit_kind_and_label() {
        let run = defaulted(json!({"spec": {"taskRef": {"name": "build"}}}), task_run);
        assert_eq!(run["spec"]["taskRef"]["kind"], "Task");
        assert_eq!(run["spec"]["timeout"], "1h0m0s");
        assert_eq!(run["spec"]["serviceAccountName"], "default");
        assert_eq!(
            run["metadata"]["labels"]["app.kubernetes.io/managed-by"],
            "tekton-pipelines"
        );
    }

    #[test]
    fn what_is_given_stays() {
        let run = defaulted(
            json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "me"}},
                "spec": {"timeout": "0", "serviceAccountName": "bot", "taskRef": {"name": "x", "kind": "Odd", "apiVersion": "a/v1"}}}),
            task_run,
        );
        assert_eq!(run["metadata"]["labels"]["app.kubernetes.io/managed-by"], "me");
        assert_eq!(run["spec"]["timeout"], "0s");
        assert_eq!(run["spec"]["serviceAccountName"], "bot");
        assert_eq!(run["spec"]["taskRef"]["kind"], "Odd");
    }

    #[test]
    fn an_embedded_pipeline_is_filled_in_to_the_leaves() {
        let run = defaulted(
            json!({"spec": {"timeouts": {"tasks": "10m"}, "pipelineSpec": {
                "params": [{"name": "s"}, {"name": "a", "default": ["x"]}, {"name": "o", "properties": {"k": {}}}],
                "tasks": [{"name": "t", "taskSpec": {"params": [{"name": "p"}], "results": [{"name": "r"}]}}],
                "finally": [{"name": "f", "taskRef": {"name": "x"}}, {"name": "g", "taskRef": {"resolver": "git"}}],
            }}}),
            pipeline_run,
        );
        let spec = &run["spec"]["pipelineSpec"];
        assert_eq!(run["spec"]["timeouts"], json!({"pipeline": "1h0m0s", "tasks": "10m0s"}));
        assert_eq!(run["spec"]["taskRunTemplate"]["serviceAccountName"], "default");
        assert_eq!(spec["params"][0]["type"], "string");
        assert_eq!(spec["params"][1]["type"], "array");
        assert_eq!(
            spec["params"][2],
            json!({"name": "o", "type": "object", "properties": {"k": {"type": "string"}}})
        );
        assert_eq!(spec["tasks"][0]["taskSpec"]["params"][0]["type"], "string");
        assert_eq!(spec["tasks"][0]["taskSpec"]["results"][0]["type"], "string");
        assert_eq!(spec["finally"][0]["taskRef"]["kind"], "Task");
        assert_eq!(spec["finally"][1]["taskRef"], json!({"resolver": "git"}));
        assert_eq!(run["metadata"], json!({}));
    }
}
