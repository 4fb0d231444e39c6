//! From a pipeline task to the command that runs an attempt of it.

mod identity;
mod inputs;
mod pod_settings;
mod queries;
mod step_action;
mod template;
mod workspaces;

use tidemill_messages::{AttemptOutcome, StartTask, envelope};
use tidemill_resources::{Param, TaskSpec, WorkspaceBinding};

use crate::error::Error;
use crate::plan::{Plan, check};
use crate::refusal::Refusal;
use crate::run_object::RunObject;
use crate::state::RunState;
use crate::substitution::walk;

pub(crate) use identity::{annotation, label_value, of as identity_of, run_reference};
pub(crate) use pod_settings::pod_settings;
pub use queries::{Dispatch, dispatch, in_flight, task_keys};

/// What an attempt runs: everything decided.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Built {
    /// The task, substituted, steps merged with the template.
    pub(crate) spec: TaskSpec,
    /// Parameters of the TaskRun.
    pub(crate) params: Vec<Param>,
    /// Workspaces of the TaskRun.
    pub(crate) workspaces: Vec<WorkspaceBinding>,
}

/// The attempt that is asked about.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) state: &'a RunState,
    pub(crate) plan: &'a Plan,
    pub(crate) run: &'a RunObject,
    pub(crate) node: u32,
    pub(crate) key: &'a str,
    pub(crate) attempt: u32,
}

/// Whether the first attempt of a task can be run.
///
/// # Errors
/// Reason and message with which its TaskRun fails.
pub(crate) fn check(state: &RunState, plan: &Plan, node: u32, key: &str) -> Result<(), Refusal> {
    let Some(run) = state.run() else {
        return Err(Refusal::new("TaskRunValidationFailed", "the run is not known"));
    };
    let subject = Subject {
        state,
        plan,
        run,
        node,
        key,
        attempt: 0,
    };
    build(&subject).map(|_| ())
}

/// Builds the task of an attempt.
///
/// # Errors
/// Reason and message with which its TaskRun fails.
pub(crate) fn build(subject: &Subject<'_>) -> Result<Built, Refusal> {
    let task = subject.plan.task(subject.node);
    let mut spec = subject.plan.task_spec(subject.node, &subject.state.resolution);
    check::has_steps(task, &spec)?;
    let params = inputs::task_run_params(subject)?;
    let workspaces = workspaces::bindings(subject, &mut spec)?;
    let values = inputs::values(subject, &spec, &params)?;
    inputs::in_scope(subject, &mut spec, &values, &workspaces, |spec, scope| {
        let actions = step_action::expand(subject, spec, scope)?;
        inputs::substitute(spec, scope, &actions)
    })?;
    template::merge(&mut spec);
    Ok(Built {
        spec,
        params,
        workspaces,
    })
}

/// The parameters of a task's attempt, defaults included; `None` if they cannot be had.
pub(crate) fn params(subject: &Subject<'_>) -> Option<crate::params::Values> {
    let spec = subject.plan.task_spec(subject.node, &subject.state.resolution);
    let given = inputs::task_run_params(subject).ok()?;
    inputs::values(subject, &spec, &given).ok()
}

/// The command for an attempt. It is the same however often it is asked for.
///
/// # Errors
/// [`Error::NoSuch`] if the attempt was never dispatched, or is not the task's last one.
pub fn start_task(state: &RunState, task: &str, attempt: u32) -> Result<StartTask, Error> {
    let subject = subject(state, task, "the command")?;
    let child = state.child(task).map(|(_, child)| child);
    if child.is_none_or(|child| child.attempt != attempt || !child.exists()) {
        return Err(no_such(
            state,
            "the command",
            task,
            format!("attempt {attempt} is not its last one"),
        ));
    }
    let subject = Subject { attempt, ..subject };
    let built = build(&subject).map_err(|refusal| no_such(state, "the command", task, refusal.message))?;
    let pods = pod_settings(&subject);
    Ok(StartTask {
        version: envelope::VERSION,
        run: identity::run_reference(&subject),
        task: task.to_owned(),
        attempt,
        task_run: identity::of(&subject),
        spec: built.spec,
        workspaces: built.workspaces,
        service_account_name: pods.service_account_name,
        pod_template: pods.pod_template,
        step_specs: pods.step_specs,
        sidecar_specs: pods.sidecar_specs,
        compute_resources: pods.compute_resources,
        traceparent: Some(crate::trace::attempt_context(state, task, attempt).to_string()),
    })
}

/// The task with this key, as something to ask about.
pub(crate) fn subject<'a>(state: &'a RunState, task: &'a str, asked: &'static str) -> Result<Subject<'a>, Error> {
    let (Some(plan), Some(run)) = (state.plan(), state.run()) else {
        return Err(no_such(state, asked, task, "the run has not started".to_owned()));
    };
    match state.child(task) {
        Some((_, child)) => Ok(Subject {
            state,
            plan,
            run,
            node: child.node,
            key: task,
            attempt: child.attempt,
        }),
        None => Err(no_such(state, asked, task, "it was never started".to_owned())),
    }
}

pub(crate) fn no_such(state: &RunState, asked: &'static str, task: &str, why: String) -> Error {
    Error::NoSuch {
        run: state.uid().to_owned(),
        asked,
        task: task.to_owned(),
        why,
    }
}

/// Gives a task's results that are lifted from a step (`value: $(steps.x.results.y)`) their value,
/// unless the runner did.
pub(crate) fn lift_results(state: &RunState, node: u32, outcome: &mut AttemptOutcome) {
    let Some(plan) = state.plan() else { return };
    let spec = plan.results_of(node, &state.resolution);
    for declared in spec.iter().filter(|declared| declared.value.is_some()) {
        if outcome.results.iter().any(|result| result.name == declared.name) {
            continue;
        }
        if let Some(value) = lifted(declared, outcome) {
            outcome.results.push(tidemill_resources::task_run::TaskRunResult {
                name: declared.name.clone(),
                kind: Some(declared.effective_type()),
                value,
            });
        }
    }
}

fn lifted(
    declared: &tidemill_resources::TaskResult,
    outcome: &AttemptOutcome,
) -> Option<tidemill_resources::ParamValue> {
    let text = declared.value.as_ref()?.as_str()?;
    let name = crate::substitution::whole(text)?;
    let (step, rest) = name.strip_prefix("steps.")?.split_once('.')?;
    let result = rest.strip_prefix("results.")?.trim_end_matches("[*]");
    let state = outcome.steps.iter().find(|state| state.name == step)?;
    state
        .results
        .iter()
        .find(|one| one.name == result)
        .map(|one| one.value.clone())
}

/// Replaces the variables of a run's binding.
pub(crate) fn replace_binding(
    binding: &mut WorkspaceBinding,
    lookup: &dyn crate::substitution::Lookup,
) -> Result<(), Refusal> {
    walk::volume::binding(binding, &mut walk::replacing(lookup)).map_err(invalid)
}

/// An index beyond the end of a list, as a TaskRun reports it.
pub(crate) fn invalid(error: crate::substitution::OutOfRange) -> Refusal {
    Refusal::new("TaskRunValidationFailed", error.to_string())
}
