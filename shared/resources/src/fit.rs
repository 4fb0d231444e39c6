//! Do the objects of a set fit each other? A run and its Pipeline, a pipeline
//! task and its Task: parameters, workspaces and results.
//!
//! Everything here is a warning: what is in the set may be replaced before it
//! runs. The run itself fails where it does not fit.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::manifest::{Diagnostic, ManifestSet};
use crate::object::{Object, Pipeline, PipelineRun, Task, TaskRun};
use crate::path::At;
use crate::pipeline::{PipelineSpec, PipelineTask, TaskRef};
use crate::problem::{Problem, Problems};
use crate::reference::{find, texts};
use crate::task::TaskSpec;

mod params;

pub use params::params;

impl ManifestSet {
    /// Warnings where objects of the set do not fit each other.
    #[must_use]
    pub fn misfits(&self, namespace: &str) -> Vec<Diagnostic> {
        let definitions = Definitions::new(self, namespace);
        let mut found = Vec::new();
        for manifest in &self.manifests {
            let mut problems = Problems::default();
            definitions.object(&manifest.object, &mut problems);
            found.extend(problems.into_vec().into_iter().map(|problem| manifest.locate(problem)));
        }
        found
    }
}

/// The Tasks and Pipelines of a set by namespace and name.
struct Definitions<'a> {
    namespace: &'a str,
    tasks: BTreeMap<(String, String), TaskSpec>,
    pipelines: BTreeMap<(String, String), PipelineSpec>,
}

impl<'a> Definitions<'a> {
    fn new(set: &ManifestSet, namespace: &'a str) -> Self {
        let mut definitions = Self {
            namespace,
            tasks: BTreeMap::new(),
            pipelines: BTreeMap::new(),
        };
        for object in set.manifests.iter().map(|manifest| &manifest.object) {
            let key = (definitions.namespace_of(object).to_owned(), object.name().to_owned());
            if let Some(task) = typed::<Task>(object, Task::KIND) {
                definitions.tasks.insert(key, task.spec);
            } else if let Some(pipeline) = typed::<Pipeline>(object, Pipeline::KIND) {
                definitions.pipelines.insert(key, pipeline.spec);
            }
        }
        definitions
    }

    fn namespace_of<'o>(&self, object: &'o Object) -> &'o str
    where
        'a: 'o,
    {
        if object.namespace().is_empty() {
            self.namespace
        } else {
            object.namespace()
        }
    }

    fn object(&self, object: &Object, problems: &mut Problems) {
        let (namespace, at) = (self.namespace_of(object), At::ROOT.key("spec"));
        if let Some(pipeline) = typed::<Pipeline>(object, Pipeline::KIND) {
            self.pipeline(namespace, &pipeline.spec, at, problems);
        } else if let Some(run) = typed::<PipelineRun>(object, PipelineRun::KIND) {
            self.pipeline_run(namespace, &run, at, problems);
        } else if let Some(run) = typed::<TaskRun>(object, TaskRun::KIND)
            && let Some(task) = self.task(namespace, run.spec.task_ref.as_ref())
        {
            let name = format!(
                "Task {:?}",
                run.spec.task_ref.map(|reference| reference.name).unwrap_or_default()
            );
            params(&name, &task.params, &run.spec.params, &[], at.key("params"), problems);
            let bound = run
                .spec
                .workspaces
                .iter()
                .map(|binding| binding.name.as_str())
                .collect::<Vec<_>>();
            workspaces(&name, needed_by_task(task), &bound, at.key("workspaces"), problems);
        }
    }

    fn pipeline_run(&self, namespace: &str, run: &PipelineRun, at: At<'_>, problems: &mut Problems) {
        let (spec, bound) = (
            &run.spec,
            run.spec.workspaces.iter().map(|binding| binding.name.as_str()),
        );
        let bound: Vec<&str> = bound.collect();
        let referenced = spec
            .pipeline_ref
            .as_ref()
            .filter(|reference| reference.resolver.is_empty());
        let (name, pipeline) = match (&spec.pipeline_spec, referenced) {
            (Some(embedded), _) => {
                self.pipeline(namespace, embedded, at.key("pipelineSpec"), problems);
                ("the pipeline".to_owned(), Some(embedded))
            }
            (None, Some(reference)) => {
                let key = (namespace.to_owned(), reference.name.clone());
                (format!("Pipeline {:?}", reference.name), self.pipelines.get(&key))
            }
            (None, None) => return,
        };
        let Some(pipeline) = pipeline else { return };
        params(&name, &pipeline.params, &spec.params, &[], at.key("params"), problems);
        let needed = pipeline.workspaces.iter().filter(|declared| !declared.optional);
        workspaces(
            &name,
            needed.map(|declared| declared.name.as_str()),
            &bound,
            at.key("workspaces"),
            problems,
        );
    }

    fn pipeline(&self, namespace: &str, spec: &PipelineSpec, at: At<'_>, problems: &mut Problems) {
        for (field, list) in [("tasks", &spec.tasks), ("finally", &spec.finally)] {
            let at = at.key(field);
            for (index, task) in list.iter().enumerate() {
                self.pipeline_task(namespace, task, at.index(index), problems);
                self.results(namespace, spec, task, at.index(index), problems);
            }
        }
    }

    fn pipeline_task(&self, namespace: &str, task: &PipelineTask, at: At<'_>, problems: &mut Problems) {
        let Some(called) = self.task(namespace, task.task_ref.as_ref()) else {
            return;
        };
        let name = format!(
            "Task {:?}",
            task.task_ref.as_ref().map_or("", |reference| reference.name.as_str())
        );
        let fan = task.matrix.iter().flat_map(|matrix| {
            matrix
                .params
                .iter()
                .chain(matrix.include.iter().flat_map(|include| &include.params))
        });
        let fanned: Vec<&str> = fan.map(|param| param.name.as_str()).collect();
        params(&name, &called.params, &task.params, &fanned, at.key("params"), problems);
        let bound: Vec<&str> = task.workspaces.iter().map(|used| used.name.as_str()).collect();
        workspaces(&name, needed_by_task(called), &bound, at.key("workspaces"), problems);
    }

    /// Results that a task reads of a Task in the set must be declared there.
    fn results(&self, namespace: &str, spec: &PipelineSpec, task: &PipelineTask, at: At<'_>, problems: &mut Problems) {
        for (field, part) in [
            ("params", serde_json::to_value(&task.params)),
            ("when", serde_json::to_value(&task.when)),
            ("matrix", serde_json::to_value(&task.matrix)),
        ] {
            // These types are plain data: they always have a JSON form.
            texts(&part.unwrap_or_default(), at.key(field), &mut |at, text| {
                for found in find(text) {
                    let Some((producer, result)) = found.reference.task_result() else {
                        continue;
                    };
                    let producer = spec.tasks.iter().find(|task| task.name == producer);
                    let called = producer.and_then(|producer| self.task(namespace, producer.task_ref.as_ref()));
                    let Some(called) = called else { continue };
                    let declared = called.results.iter().map(|declared| declared.name.as_str());
                    if declared.clone().any(|name| name == result) {
                        continue;
                    }
                    let message = format!("$({}): the Task declares no result {result:?}", found.reference);
                    problems.add_near(Problem::warning(at, message), result, declared, None);
                }
            });
        }
    }

    fn task(&self, namespace: &str, reference: Option<&TaskRef>) -> Option<&TaskSpec> {
        let reference = reference.filter(|reference| !reference.is_custom() && reference.resolver.is_empty())?;
        self.tasks.get(&(namespace.to_owned(), reference.name.clone()))
    }
}

/// An object of Tekton's kind; one that cannot be read has been refused before.
fn typed<T: DeserializeOwned>(object: &Object, kind: &str) -> Option<T> {
    let is_kind = object.kind == kind && object.api_version == crate::names::TEKTON_V1;
    is_kind
        .then(|| serde_json::from_value(object.to_value()).ok())
        .flatten()
}

fn needed_by_task(task: &TaskSpec) -> impl Iterator<Item = &str> {
    task.workspaces
        .iter()
        .filter(|declared| !declared.optional)
        .map(|declared| declared.name.as_str())
}

fn workspaces<'a>(
    called: &str,
    needed: impl Iterator<Item = &'a str>,
    bound: &[&str],
    at: At<'_>,
    problems: &mut Problems,
) {
    for name in needed.filter(|name| !bound.contains(name)) {
        let problem = Problem::warning(at, format!("{called} needs the workspace {name:?}"));
        problems.add_near(problem, name, bound.iter().copied(), None);
    }
}

#[cfg(test)]
mod tests;
