//! Variables other than parameters.

use std::collections::BTreeSet;

use crate::path::At;
use crate::problem::{Problem, Problems, one_of};
use crate::reference::{Found, Reference, find};
use crate::task::TaskSpec;

/// What a variable of a pipeline may begin with.
const PIPELINE_ROOTS: &[&str] = &["params", "tasks", "finally", "context", "workspaces", "results"];
/// What a step's guards may begin with besides.
const STEP_ROOTS: &[&str] = &["inputs", "steps", "step"];

/// Refuses variables that begin with a word nobody knows, where nothing else reads them.
pub(super) fn known_root(text: &str, at: At<'_>, problems: &mut Problems) {
    for found in find(text) {
        let root = found.reference.root();
        if !PIPELINE_ROOTS.contains(&root) && !STEP_ROOTS.contains(&root) {
            problems.add(
                Problem::error(at, format!("$({}) begins with {root:?}", found.reference))
                    .expected(one_of(PIPELINE_ROOTS)),
            );
        }
    }
}

/// The names a task's own variables may use.
pub(super) struct TaskNames<'a> {
    results: BTreeSet<&'a str>,
    workspaces: BTreeSet<&'a str>,
    /// Whether workspaces may reach the task from outside.
    open: bool,
}

impl<'a> TaskNames<'a> {
    /// Names of a task; `open` when outer workspaces reach it.
    pub(super) fn new(spec: &'a TaskSpec, open: bool) -> Self {
        Self {
            results: spec.results.iter().map(|result| result.name.as_str()).collect(),
            workspaces: spec
                .workspaces
                .iter()
                .map(|workspace| workspace.name.as_str())
                .collect(),
            open,
        }
    }

    /// Checks `results.*.path`, `workspaces.*` and `context.*` of a task.
    pub(super) fn check(&self, text: &str, at: At<'_>, problems: &mut Problems) {
        for Found { reference, .. } in find(text) {
            match reference.as_strs().as_slice() {
                ["results", name @ .., "path"] if !name.is_empty() => {
                    self.result(&name.join("."), &reference, at, problems)
                }
                ["workspaces", name, "path" | "bound" | "claim" | "volume"] => {
                    self.workspace(name, &reference, at, problems);
                }
                ["context", rest @ ..] => context(rest, &reference, TASK_CONTEXT, at, problems),
                _ => {}
            }
        }
    }

    fn result(&self, name: &str, reference: &Reference, at: At<'_>, problems: &mut Problems) {
        if self.results.contains(name) {
            return;
        }
        let problem = Problem::error(at, format!("$({reference}): no result {name:?} is declared"));
        problems.add_near(
            problem,
            name,
            self.results.iter().copied(),
            Some("declare it under results"),
        );
    }

    fn workspace(&self, name: &str, reference: &Reference, at: At<'_>, problems: &mut Problems) {
        if self.open || self.workspaces.contains(name) {
            return;
        }
        let message = format!("$({reference}): no workspace {name:?} is declared, the text stays as it is");
        problems.add(Problem::warning(at, message));
    }
}

type Context = &'static [(&'static str, &'static [&'static str])];

const TASK_CONTEXT: Context = &[
    ("taskRun", &["name", "namespace", "uid"]),
    ("task", &["name", "retry-count"]),
];
const PIPELINE_CONTEXT: Context = &[
    ("pipelineRun", &["name", "namespace", "uid"]),
    ("pipeline", &["name"]),
    ("pipelineTask", &["retries"]),
];

/// Checks `context.*` in a pipeline.
pub(super) fn pipeline_context(text: &str, at: At<'_>, problems: &mut Problems) {
    for Found { reference, .. } in find(text) {
        if let ["context", rest @ ..] = reference.as_strs().as_slice() {
            context(rest, &reference, PIPELINE_CONTEXT, at, problems);
        }
    }
}

fn context(rest: &[&str], reference: &Reference, known: Context, at: At<'_>, problems: &mut Problems) {
    let [object, field] = rest else { return };
    // A task embedded in a pipeline may hold the pipeline's variables too.
    let all = known.iter().chain(PIPELINE_CONTEXT);
    if all
        .clone()
        .any(|(name, fields)| name == object && fields.contains(field))
    {
        return;
    }
    let expected: Vec<String> = known
        .iter()
        .flat_map(|(name, fields)| fields.iter().map(move |field| format!("context.{name}.{field}")))
        .collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    problems.add(Problem::error(at, format!("$({reference}) does not exist")).expected(one_of(&expected)));
}
