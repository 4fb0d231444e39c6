//! The tasks of a pipeline.

use std::collections::{BTreeMap, BTreeSet};

use super::pipeline::spec as pipeline_spec;
use super::scope::{Place, Scope};
use super::text::is_dns_label;
use super::{matrix, param, step, task, variable, when, workspace};
use crate::param::{Param, ParamValue};
use crate::path::At;
use crate::pipeline::{PipelineSpec, PipelineTask, TaskRef};
use crate::problem::{Problem, Problems};
use crate::step::OnError;

mod uses;

/// Checks all tasks of a pipeline, `finally` included.
pub(super) fn tasks(spec: &PipelineSpec, scope: &Scope<'_>, at: At<'_>, problems: &mut Problems) {
    let by_name: BTreeMap<&str, &PipelineTask> = spec.tasks.iter().map(|task| (task.name.as_str(), task)).collect();
    let mut seen = BTreeSet::new();
    for (field, list) in [("tasks", &spec.tasks), ("finally", &spec.finally)] {
        let at = at.key(field);
        let context = Context {
            spec,
            scope,
            by_name: &by_name,
            is_finally: field == "finally",
        };
        for (index, task) in list.iter().enumerate() {
            name(task, &mut seen, at.index(index), problems);
            context.task(task, at.index(index), problems);
        }
    }
}

fn name<'a>(task: &'a PipelineTask, seen: &mut BTreeSet<&'a str>, at: At<'_>, problems: &mut Problems) {
    let at = at.key("name");
    if task.name.is_empty() {
        problems.add(Problem::error(at, "is missing"));
    } else if !is_dns_label(&task.name) {
        problems.add(
            Problem::error(at, format!("{:?} cannot be a task's name", task.name))
                .expected("lower case letters, digits and inner dashes, at most 63"),
        );
    } else if !seen.insert(task.name.as_str()) {
        problems.add(Problem::error(at, format!("the name {:?} stands twice", task.name)));
    }
}

/// What one task is checked against.
struct Context<'a> {
    spec: &'a PipelineSpec,
    scope: &'a Scope<'a>,
    by_name: &'a BTreeMap<&'a str, &'a PipelineTask>,
    is_finally: bool,
}

impl Context<'_> {
    fn task(&self, task: &PipelineTask, at: At<'_>, problems: &mut Problems) {
        definition(task, at, problems);
        self.embedded(task, at, problems);
        self.order(task, at.key("runAfter"), problems);
        self.params(&task.params, at.key("params"), problems);
        if let Some(fan) = &task.matrix {
            let at = at.key("matrix");
            self.params(&fan.params, at.key("params"), problems);
        }
        matrix::matrix(task, at, problems);
        when::guards(&task.when, self.scope, at.key("when"), problems);
        self.workspaces(task, at.key("workspaces"), problems);
        limits(task, at, problems);
        self.uses(task, at, problems);
    }

    fn embedded(&self, task: &PipelineTask, at: At<'_>, problems: &mut Problems) {
        if let Some(embedded) = task.task_spec.as_ref().filter(|embedded| !embedded.is_custom()) {
            let spec = embedded.task_spec();
            task::spec(&spec, &Scope::open(&spec.params), at.key("taskSpec"), problems);
        }
        if let Some(embedded) = &task.pipeline_spec {
            pipeline_spec(
                embedded,
                &Scope::open(&embedded.params),
                at.key("pipelineSpec"),
                problems,
            );
        }
    }

    fn order(&self, task: &PipelineTask, at: At<'_>, problems: &mut Problems) {
        if self.is_finally {
            if !task.run_after.is_empty() {
                problems.add(Problem::error(at, "tasks of finally have no order").hint("they start together"));
            }
            return;
        }
        for (index, parent) in task.run_after.iter().enumerate() {
            if self.by_name.contains_key(parent.as_str()) {
                continue;
            }
            let problem = Problem::error(at.index(index), format!("there is no task {parent:?}"));
            problems.add_near(problem, parent, self.by_name.keys().copied(), None);
        }
    }

    fn params(&self, params: &[Param], at: At<'_>, problems: &mut Problems) {
        param::values(params, at, problems);
        for (index, param) in params.iter().enumerate() {
            let at = at.index(index);
            let at = at.key("value");
            let mut check = |text: &str, place: Place, at: At<'_>| {
                self.scope.check(text, place, at, problems);
                variable::known_root(text, at, problems);
            };
            match &param.value {
                ParamValue::String(text) => check(text, Place::Value, at),
                ParamValue::Array(items) => {
                    items
                        .iter()
                        .enumerate()
                        .for_each(|(index, item)| check(item, Place::Element, at.index(index)));
                }
                ParamValue::Object(entries) => {
                    entries
                        .iter()
                        .for_each(|(key, entry)| check(entry, Place::Text, at.key(key)));
                }
            }
        }
    }

    fn workspaces(&self, task: &PipelineTask, at: At<'_>, problems: &mut Problems) {
        let mut seen = BTreeSet::new();
        for (index, used) in task.workspaces.iter().enumerate() {
            let at = at.index(index);
            workspace::declared_name(&used.name, &mut seen, at, problems);
            workspace::sub_path(&used.sub_path, at.key("subPath"), problems);
            let declared = || self.spec.workspaces.iter().map(|workspace| workspace.name.as_str());
            if self.scope.is_open() || used.source().is_empty() || declared().any(|name| name == used.source()) {
                continue;
            }
            let at = at.key(if used.workspace.is_empty() { "name" } else { "workspace" });
            let problem = Problem::error(at, format!("the pipeline declares no workspace {:?}", used.source()));
            problems.add_near(
                problem,
                used.source(),
                declared(),
                Some("declare it under workspaces of the pipeline"),
            );
        }
    }
}

fn definition(task: &PipelineTask, at: At<'_>, problems: &mut Problems) {
    let set: Vec<&str> = [
        ("taskRef", task.task_ref.is_some()),
        ("taskSpec", task.task_spec.is_some()),
        ("pipelineRef", task.pipeline_ref.is_some()),
        ("pipelineSpec", task.pipeline_spec.is_some()),
    ]
    .into_iter()
    .filter_map(|(field, is_set)| is_set.then_some(field))
    .collect();
    match set.as_slice() {
        [] => problems.add(Problem::error(at, "says not what to run").expected("taskRef or taskSpec")),
        [_] => {}
        several => {
            problems.add(Problem::error(at, format!("{} together", several.join(" and "))).expected("exactly one"))
        }
    }
    if let Some(reference) = &task.task_ref {
        task_ref(reference, at.key("taskRef"), problems);
    }
    if let Some(embedded) = &task.task_spec
        && embedded.api_version.is_empty() != embedded.kind.is_empty()
    {
        problems.add(
            Problem::error(at.key("taskSpec"), "apiVersion and kind of a custom task come together")
                .expected("both or neither"),
        );
    }
    if let Some(reference) = &task.pipeline_ref
        && reference.name.is_empty()
        && reference.resolver.is_empty()
    {
        problems.add(Problem::error(at.key("pipelineRef").key("name"), "is missing"));
    }
}

/// Checks a reference to a task, of pipelines and TaskRuns.
pub(super) fn task_ref(reference: &TaskRef, at: At<'_>, problems: &mut Problems) {
    if reference.is_custom() {
        if reference.api_version.starts_with("tekton.dev/") {
            let message = "together with kind it makes this a custom task, which nothing here runs";
            problems.add(Problem::warning(at.key("apiVersion"), message).hint("remove apiVersion"));
        }
        return;
    }
    if reference.kind == "ClusterTask" {
        problems.add(
            Problem::error(at.key("kind"), "ClusterTask does not exist any more")
                .hint("use a Task of the namespace, or the cluster resolver"),
        );
    }
    if reference.name.is_empty() && reference.resolver.is_empty() {
        problems.add(Problem::error(at.key("name"), "is missing").expected("the name of a Task, or a resolver"));
    } else if !reference.name.is_empty() && !reference.resolver.is_empty() {
        problems.add(Problem::error(at, "name and resolver together").expected("one or the other"));
    }
    if !reference.params.is_empty() && reference.resolver.is_empty() {
        problems
            .add(Problem::error(at.key("params"), "without a resolver").hint("a Task's params stand beside taskRef"));
    }
    param::values(&reference.params, at.key("params"), problems);
}

fn limits(task: &PipelineTask, at: At<'_>, problems: &mut Problems) {
    if let Some(timeout) = task.timeout.filter(|timeout| timeout.as_nanos() < 0) {
        problems.add(Problem::error(at.key("timeout"), format!("{timeout} is negative")).expected("0 or more"));
    }
    step::on_error(task.on_error.as_ref(), at.key("onError"), problems);
    if task.retries > 0 && task.on_error == Some(OnError::Continue) {
        problems.add(Problem::error(at.key("retries"), "stands beside onError: continue").expected("one or the other"));
    }
}
