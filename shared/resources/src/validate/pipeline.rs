//! Pipeline, on its own or embedded.

use std::collections::BTreeSet;

use super::scope::Scope;
use super::text::is_result_name;
use super::{graph, param, pipeline_task, workspace};
use crate::object::Pipeline;
use crate::param::ParamValue;
use crate::path::At;
use crate::pipeline::PipelineSpec;
use crate::problem::{Problem, Problems};
use crate::reference::find;

/// Tasks a pipeline may have, `finally` included.
pub const TASKS_MAX: usize = 10_000;

/// Checks a Pipeline. It stands alone: all its parameters and workspaces must be declared.
pub fn pipeline(pipeline: &Pipeline, problems: &mut Problems) {
    spec(
        &pipeline.spec,
        &Scope::closed(&pipeline.spec.params),
        At::ROOT.key("spec"),
        problems,
    );
}

/// Checks a pipeline's spec; parameters and workspaces may come from outside when the scope is open.
pub(super) fn spec(spec: &PipelineSpec, scope: &Scope<'_>, at: At<'_>, problems: &mut Problems) {
    param::declarations(&spec.params, at.key("params"), problems);
    workspaces(spec, at.key("workspaces"), problems);
    let count = spec.tasks.len() + spec.finally.len();
    if spec.tasks.is_empty() {
        problems.add(Problem::error(at.key("tasks"), "is missing").expected("at least one task"));
    }
    if count > TASKS_MAX {
        problems.add(Problem::error(at, format!("{count} tasks")).expected(format!("at most {TASKS_MAX}")));
        return;
    }
    pipeline_task::tasks(spec, scope, at, problems);
    graph::acyclic(spec, at.key("tasks"), problems);
    results(spec, at.key("results"), problems);
}

fn workspaces(spec: &PipelineSpec, at: At<'_>, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (index, declared) in spec.workspaces.iter().enumerate() {
        workspace::declared_name(&declared.name, &mut seen, at.index(index), problems);
    }
}

fn results(spec: &PipelineSpec, at: At<'_>, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (index, result) in spec.results.iter().enumerate() {
        let at = at.index(index);
        if !is_result_name(&result.name) {
            problems.add(
                Problem::error(at.key("name"), format!("{:?} cannot be a result's name", result.name))
                    .expected("letters, digits, and inner dashes, dots and underscores"),
            );
        } else if !seen.insert(&result.name) {
            problems.add(Problem::error(
                at.key("name"),
                format!("result {:?} is declared twice", result.name),
            ));
        }
        producers(spec, &result.value, at.key("value"), problems);
    }
}

/// A result is put together from those of tasks that exist.
fn producers(spec: &PipelineSpec, value: &ParamValue, at: At<'_>, problems: &mut Problems) {
    let names = |finally: bool| {
        let list = if finally { &spec.finally } else { &spec.tasks };
        list.iter().map(|task| task.name.as_str())
    };
    let found = find(&value.to_text());
    if found.is_empty() {
        problems.add(
            Problem::warning(at, "no reference to a result: this result is left out")
                .expected("$(tasks.<task>.results.<result>)"),
        );
    }
    for reference in found.into_iter().map(|found| found.reference) {
        let (task, finally) = match reference.as_strs().as_slice() {
            ["tasks", task, "results", ..] => ((*task).to_owned(), false),
            ["finally", task, "results", ..] => ((*task).to_owned(), true),
            _ => continue,
        };
        if !names(finally).any(|name| name == task) {
            let problem = Problem::error(at, format!("$({reference}): there is no task {task:?}"));
            problems.add_near(problem, &task, names(finally), None);
        }
    }
}
