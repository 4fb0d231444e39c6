//! What a pipeline task reads of other tasks.

use serde::Serialize;

use super::Context;
use crate::path::At;
use crate::pipeline::PipelineTask;
use crate::problem::{Problem, Problems};
use crate::reference::{Reference, find, texts};
use crate::validate::variable;

impl Context<'_> {
    /// Checks every reference to a task in the fields in which variables are replaced.
    pub(super) fn uses(&self, task: &PipelineTask, at: At<'_>, problems: &mut Problems) {
        self.part(&task.params, false, at.key("params"), problems);
        self.part(&task.matrix, false, at.key("matrix"), problems);
        self.part(&task.when, false, at.key("when"), problems);
        self.part(&task.display_name, false, at.key("displayName"), problems);
        self.part(&task.workspaces, false, at.key("workspaces"), problems);
        self.part(&task.on_error, false, at.key("onError"), problems);
        self.part(&task.task_ref, false, at.key("taskRef"), problems);
        self.part(&task.task_spec, true, at.key("taskSpec"), problems);
    }

    fn part(&self, part: &impl Serialize, is_task: bool, at: At<'_>, problems: &mut Problems) {
        // These types are plain data: they always have a JSON form.
        let value = serde_json::to_value(part).unwrap_or_default();
        texts(&value, at, &mut |at, text| {
            for found in find(text) {
                self.reference(&found.reference, at, problems);
            }
            // An embedded task has variables of its own, checked with it.
            if !is_task {
                variable::pipeline_context(text, at, problems);
            }
        });
    }

    fn reference(&self, reference: &Reference, at: At<'_>, problems: &mut Problems) {
        match reference.as_strs().as_slice() {
            ["tasks", "status"] if !self.is_finally => problems.add(only_finally(reference, at)),
            ["tasks", _, "status" | "reason"] if !self.is_finally => problems.add(only_finally(reference, at)),
            ["tasks", task, "status" | "reason"] => self.producer(task, reference, at, problems),
            ["tasks", task, "results", result, ..] => {
                self.producer(task, reference, at, problems);
                self.result(task, result, reference, at, problems);
            }
            ["finally", _, "results", ..] => problems.add(Problem::error(
                at,
                format!("$({reference}): results of finally can be read by the pipeline's results only"),
            )),
            _ => {}
        }
    }

    fn producer(&self, task: &str, reference: &Reference, at: At<'_>, problems: &mut Problems) {
        if self.by_name.contains_key(task) {
            return;
        }
        if self.spec.finally.iter().any(|other| other.name == task) {
            problems.add(
                Problem::error(at, format!("$({reference}): {task:?} stands in finally"))
                    .expected("a task that is over by then"),
            );
            return;
        }
        let problem = Problem::error(at, format!("$({reference}): there is no task {task:?}"));
        problems.add_near(problem, task, self.by_name.keys().copied(), None);
    }

    /// A task written here declares its results; of others nothing is known yet.
    fn result(&self, task: &str, result: &str, reference: &Reference, at: At<'_>, problems: &mut Problems) {
        let embedded = self.by_name.get(task).and_then(|producer| producer.task_spec.as_ref());
        let Some(embedded) = embedded.filter(|embedded| !embedded.is_custom()) else {
            return;
        };
        let declared = || embedded.results.iter().map(|declared| declared.name.as_str());
        if declared().any(|name| name == result) {
            return;
        }
        let problem = Problem::warning(
            at,
            format!("$({reference}): task {task:?} declares no result {result:?}"),
        );
        problems.add_near(problem, result, declared(), None);
    }
}

fn only_finally(reference: &Reference, at: At<'_>) -> Problem {
    Problem::error(at, format!("$({reference}) is known only in finally"))
}
