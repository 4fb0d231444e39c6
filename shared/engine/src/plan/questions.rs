//! What has to be looked up before a plan can be made.

use super::source;
use crate::params::Values;
use crate::resolution::{Answer, Reference, ReferenceKind, Resolution};
use crate::run_object::RunObject;
use crate::substitution::Scope;
use tidemill_resources::{PipelineTask, Step};

/// References that have no answer yet, each once. Empty when there is nothing to ask, or when the
/// answers there are already make the run fail.
pub(crate) fn questions(run: &RunObject, resolution: &Resolution) -> Vec<Reference> {
    if let RunObject::PipelineRun(object) = run
        && let Some(reference) = source::pipeline_reference(object)
        && resolution.answer(&reference).is_none()
    {
        return vec![reference];
    }
    let Ok(found) = source::of(run, resolution) else {
        return Vec::new();
    };
    let Ok(params) = source::params(run, &found.spec) else {
        return Vec::new();
    };
    let texts = source::texts(run, &found.name, &found.spec);
    let mut open = Open {
        resolution,
        scope: scope(&params, &texts),
        references: Vec::new(),
    };
    for task in found.spec.tasks.iter().chain(&found.spec.finally) {
        open.task(task);
    }
    open.references
}

fn scope<'a>(params: &'a Values, texts: &'a [(String, String)]) -> Scope<'a> {
    let mut scope = Scope::of_params(params);
    for (name, text) in texts {
        scope.text(name.as_str(), text.as_str());
    }
    scope
}

struct Open<'a> {
    resolution: &'a Resolution,
    scope: Scope<'a>,
    references: Vec<Reference>,
}

impl Open<'_> {
    fn task(&mut self, task: &PipelineTask) {
        if let Some(embedded) = &task.task_spec {
            self.steps(&embedded.steps);
        }
        if task.task_ref.as_ref().is_some_and(|reference| reference.is_custom()) {
            return;
        }
        let Ok(Some(reference)) = source::task_reference(task, &self.scope) else {
            return;
        };
        let resolution = self.resolution;
        match resolution.answer(&reference) {
            None => self.ask(reference),
            Some(Answer::Task { spec, .. }) => self.steps(&spec.steps),
            Some(_) => {}
        }
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            if let Some(reference) = step_reference(step)
                && self.resolution.answer(&reference).is_none()
            {
                self.ask(reference);
            }
        }
    }

    fn ask(&mut self, reference: Reference) {
        if !self.references.contains(&reference) {
            self.references.push(reference);
        }
    }
}

/// The reference to a step's StepAction.
pub(crate) fn step_reference(step: &Step) -> Option<Reference> {
    let reference = step.reference.as_ref()?;
    Some(Reference {
        kind: ReferenceKind::StepAction,
        name: reference.name.clone(),
        resolver: reference.resolver.clone(),
        params: reference.params.clone(),
    })
}
