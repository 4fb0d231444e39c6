//! Parameters of a TaskRun and the variables of its task.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use tidemill_messages::RunKind;
use tidemill_resources::{Param, TaskSpec, WorkspaceBinding};

use super::{Subject, invalid};
use crate::guard;
use crate::params::{self, Values};
use crate::plan::Definition;
use crate::refusal::Refusal;
use crate::state::{Ends, Results};
use crate::substitution::{self, Lookup, Scope, walk};

/// Parameters the TaskRun gets: the pipeline task's, with variables in place, and its combination's.
pub(super) fn task_run_params(subject: &Subject<'_>) -> Result<Vec<Param>, Refusal> {
    let mut params = subject.plan.task(subject.node).params.clone();
    let (results, ends) = (Results(subject.state), Ends(subject.state));
    let mut scope = guard::task_scope(subject.plan, subject.node, &results, &ends);
    context(&mut scope, subject);
    walk::params(&mut params, &mut walk::replacing(&scope)).map_err(invalid)?;
    let combination = subject
        .state
        .child(subject.key)
        .map(|(_, child)| child.combination.as_slice())
        .unwrap_or_default();
    for extra in combination {
        match params.iter_mut().find(|param| param.name == extra.name) {
            Some(param) => param.value = extra.value.clone(),
            None => params.push(extra.clone()),
        }
    }
    Ok(params)
}

/// What the task's parameters are: given values, else those around an embedded task, else defaults.
pub(super) fn values(subject: &Subject<'_>, spec: &TaskSpec, given: &[Param]) -> Result<Values, Refusal> {
    let mut values = params::given(given);
    if is_embedded(subject) {
        for declared in &spec.params {
            if let (false, Some(outer)) = (
                values.contains_key(&declared.name),
                subject.plan.params.get(&declared.name),
            ) {
                values.insert(declared.name.clone(), outer.clone());
            }
        }
    }
    params::effective(&spec.params, values).map_err(|refusal| match refusal.reason {
        "InvalidParamValue" => refusal,
        _ => Refusal::new("TaskRunValidationFailed", refusal.message),
    })
}

/// Whether the task is written in a pipeline: then what is around it is known inside.
pub(super) fn is_embedded(subject: &Subject<'_>) -> bool {
    let node = &subject.plan.nodes[subject.node as usize];
    node.definition == Definition::Embedded && subject.plan.kind == RunKind::PipelineRun
}

/// Calls `then` with the variables of the task.
pub(super) fn in_scope<R>(
    subject: &Subject<'_>,
    spec: &mut TaskSpec,
    values: &Values,
    workspaces: &[WorkspaceBinding],
    then: impl FnOnce(&mut TaskSpec, &Scope<'_>) -> R,
) -> R {
    // Taken together before `then` may change the task they are read from.
    let texts = texts(subject, spec, workspaces);
    let (results, ends) = (Results(subject.state), Ends(subject.state));
    let around = guard::task_scope(subject.plan, subject.node, &results, &ends);
    let mut scope = Scope::of_params(values);
    scope.texts = texts;
    if is_embedded(subject) {
        scope.outer.push(&around);
    }
    then(spec, &scope)
}

fn context(scope: &mut Scope<'_>, subject: &Subject<'_>) {
    for (name, text) in contexts(subject) {
        scope.text(name, text);
    }
}

fn contexts(subject: &Subject<'_>) -> [(&'static str, String); 5] {
    let name = subject.name();
    [
        ("context.taskRun.uid", subject.uid(&name)),
        ("context.taskRun.name", name),
        ("context.taskRun.namespace", subject.run.namespace().to_owned()),
        ("context.task.name", subject.task_name().unwrap_or_default()),
        ("context.task.retry-count", subject.attempt.to_string()),
    ]
}

fn texts(subject: &Subject<'_>, spec: &TaskSpec, bindings: &[WorkspaceBinding]) -> HashMap<String, Cow<'static, str>> {
    let mut texts: HashMap<String, Cow<'static, str>> = contexts(subject)
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.into()))
        .collect();
    texts.insert("credentials.path".to_owned(), "/tekton/creds".into());
    for result in &spec.results {
        texts.insert(
            format!("results.{}.path", result.name),
            format!("/tekton/results/{}", result.name).into(),
        );
    }
    for (index, step) in spec.steps.iter().enumerate() {
        let name = if step.name.is_empty() {
            format!("step-unnamed-{index}")
        } else {
            format!("step-{}", step.name)
        };
        texts.insert(
            format!("steps.{name}.exitCode.path"),
            format!("/tekton/steps/{name}/exitCode").into(),
        );
    }
    for declared in &spec.workspaces {
        let binding = bindings.iter().find(|binding| binding.name == declared.name);
        let path = if binding.is_some() {
            declared.path()
        } else {
            String::new()
        };
        let claim = binding.and_then(|binding| binding.persistent_volume_claim.as_ref());
        texts.insert(format!("workspaces.{}.path", declared.name), path.into());
        texts.insert(
            format!("workspaces.{}.bound", declared.name),
            binding.is_some().to_string().into(),
        );
        let claim = claim.map(|claim| claim.claim_name.clone()).unwrap_or_default();
        texts.insert(format!("workspaces.{}.claim", declared.name), claim.into());
    }
    texts
}

/// Replaces the variables of the task; steps from StepActions (`done`) have theirs replaced but for
/// the fields that are the task's own.
pub(super) fn substitute(spec: &mut TaskSpec, scope: &Scope<'_>, done: &[bool]) -> Result<(), Refusal> {
    let steps = std::mem::take(&mut spec.steps);
    walk::task(spec, &mut walk::replacing(scope)).map_err(invalid)?;
    spec.steps = steps;
    if let Some(template) = &mut spec.step_template {
        walk::template(template, &mut walk::replacing(scope)).map_err(invalid)?;
    }
    for (index, step) in spec.steps.iter_mut().enumerate() {
        if done.get(index) == Some(&true) {
            continue;
        }
        let own = of_step(index, step);
        let scope = Stacked { own, task: scope };
        walk::step(step, &mut walk::replacing(&scope)).map_err(invalid)?;
    }
    Ok(())
}

/// Variables of one step: paths of its results, of workspaces it takes for itself.
pub(super) fn of_step(index: usize, step: &tidemill_resources::Step) -> BTreeMap<String, String> {
    let mut own = BTreeMap::new();
    let name = if step.name.is_empty() {
        format!("step-unnamed-{index}")
    } else {
        format!("step-{}", step.name)
    };
    for result in &step.results {
        own.insert(
            format!("step.results.{}.path", result.name),
            format!("/tekton/steps/{name}/results/{}", result.name),
        );
    }
    for usage in step.workspaces.iter().filter(|usage| !usage.mount_path.is_empty()) {
        own.insert(format!("workspaces.{}.path", usage.name), usage.mount_path.clone());
    }
    own
}

/// A step's own variables before the task's.
pub(super) struct Stacked<'a, L: Lookup> {
    pub(super) own: BTreeMap<String, String>,
    pub(super) task: &'a L,
}

impl<L: Lookup> Lookup for Stacked<'_, L> {
    fn find(&self, name: &str) -> Result<Option<substitution::Picked<'_>>, substitution::OutOfRange> {
        match self.own.get(name) {
            Some(text) => Ok(Some(substitution::Picked::Text(Cow::Borrowed(text)))),
            None => self.task.find(name),
        }
    }
}
