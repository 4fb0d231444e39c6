//! What must hold before a run starts, beyond its graph and parameters.

use std::collections::BTreeSet;

use tidemill_messages::RunKind;
use tidemill_resources::{ParamValue, PipelineTask, TaskSpec};

use super::{Plan, graph};
use crate::refusal::Refusal;
use crate::resolution::Resolution;
use crate::run_object::RunObject;
use crate::substitution::{self, walk};

/// Indexes of the run's parameters are within their lists.
pub(super) fn indexes(plan: &Plan) -> Result<(), Refusal> {
    let scope = plan.scope();
    let mut spec = plan.spec.clone();
    // A guard or embedded task behind a variable is checked when it is used.
    walk::pipeline(&mut spec, &mut walk::replacing(&scope)).map_err(Refusal::from)
}

/// What the pipeline asks for is bound, and each binding has exactly one source.
pub(super) fn workspaces(plan: &Plan, run: &RunObject) -> Result<(), Refusal> {
    let bindings = run.workspaces();
    if plan.kind == RunKind::TaskRun {
        return Ok(());
    }
    for binding in bindings {
        if let [_, second, ..] = binding.sources()[..] {
            return Err(unbound(format!(
                "workspace {:?} has more than one source: also {second}",
                binding.name
            )));
        }
        if binding.sources().is_empty() {
            return Err(unbound(format!(
                "workspace {:?} has no source, such as emptyDir",
                binding.name
            )));
        }
    }
    let bound = |name: &str| bindings.iter().any(|binding| binding.name == name);
    match plan
        .spec
        .workspaces
        .iter()
        .find(|declared| !declared.optional && !bound(&declared.name))
    {
        None => Ok(()),
        Some(declared) => Err(unbound(format!(
            "pipeline {:?} requires workspace {:?}, which the run does not bind",
            plan.name, declared.name
        ))),
    }
}

fn unbound(message: String) -> Refusal {
    Refusal::new("InvalidWorkspaceBindings", message)
}

/// Settings for single tasks name tasks that exist, each once.
pub(super) fn task_run_specs(plan: &Plan, run: &RunObject) -> Result<(), Refusal> {
    let RunObject::PipelineRun(run) = run else {
        return Ok(());
    };
    let mut seen = BTreeSet::new();
    for spec in &run.spec.task_run_specs {
        let name = spec.pipeline_task_name.as_str();
        if !plan.index.contains_key(name) {
            return Err(Refusal::new(
                "InvalidTaskRunSpecs",
                format!("taskRunSpecs names task {name:?}, which does not exist"),
            ));
        }
        if !seen.insert(name) {
            return Err(Refusal::new(
                "InvalidTaskRunSpecs",
                format!("taskRunSpecs names task {name:?} twice"),
            ));
        }
    }
    Ok(())
}

/// Guards compare texts. CEL is refused: its parser takes stack by the depth of the user's text, and
/// an overflow would end the whole process.
pub(super) fn expressions(plan: &Plan) -> Result<(), Refusal> {
    for task in plan.spec.tasks.iter().chain(&plan.spec.finally) {
        if let Some(index) = task.when.iter().position(|guard| !guard.cel.is_empty()) {
            let message = format!(
                "task {:?}: when[{index}].cel: CEL expressions are refused; write input, operator and values instead",
                task.name
            );
            return Err(Refusal::new("CELEvaluationFailed", message));
        }
    }
    Ok(())
}

/// Results that are read are declared by the tasks that should write them.
pub(super) fn results(plan: &Plan, resolution: &Resolution) -> Result<(), Refusal> {
    let declared: Vec<BTreeSet<String>> = (0..plan.nodes.len() as u32)
        .map(|node| {
            plan.task_spec(node, resolution)
                .results
                .into_iter()
                .map(|result| result.name)
                .collect()
        })
        .collect();
    let check = |variable: &str, producer: u32, reason: &'static str, reader: String| {
        let Some((_, rest)) = graph::read(variable) else {
            return Ok(());
        };
        if variable.contains(".matrix.") || reads_one_of(variable, rest, &declared[producer as usize]) {
            return Ok(());
        }
        let task = plan.task_name(producer);
        Err(Refusal::new(
            reason,
            format!("{reader} reads $({variable}), but task {task:?} declares no such result"),
        ))
    };
    for (position, node) in plan.nodes.iter().enumerate() {
        let name = plan.task_name(position as u32);
        for need in &node.needs {
            check(
                &need.variable,
                need.producer,
                "InvalidTaskResultReference",
                format!("task {name:?}"),
            )?;
        }
    }
    for result in &plan.spec.results {
        let mut names = Vec::new();
        let Ok(()) = walk::gathering(&mut names)(walk::Slot::Value(&mut result.value.clone()));
        for variable in names {
            let plain = variable
                .strip_prefix("finally.")
                .map_or(variable.clone(), |rest| format!("tasks.{rest}"));
            let Some((task, _)) = graph::read(&plain) else { continue };
            let reader = format!("pipeline result {:?}", result.name);
            let Some(producer) = plan.index.get(task) else {
                let message = format!("{reader} reads $({variable}), but there is no task {task:?}");
                return Err(Refusal::new("InvalidPipelineResultReference", message));
            };
            check(&plain, *producer, "InvalidPipelineResultReference", reader)?;
        }
    }
    Ok(())
}

fn reads_one_of(variable: &str, rest: &str, names: &BTreeSet<String>) -> bool {
    let asked = std::cell::Cell::new(false);
    let probe = substitution::pick(variable, rest, |name| {
        asked.set(asked.get() || names.contains(name));
        None::<&ParamValue>
    });
    matches!(probe, Ok(None)) && asked.get()
}

/// A workspace that a Task requires is not optional in the pipeline.
pub(super) fn optional_workspaces(plan: &Plan, resolution: &Resolution) -> Result<(), Refusal> {
    for position in 0..plan.nodes.len() as u32 {
        let task = plan.task(position);
        let spec = plan.task_spec(position, resolution);
        for used in &task.workspaces {
            let optional = plan
                .spec
                .workspaces
                .iter()
                .any(|declared| declared.name == used.source() && declared.optional);
            let required = spec
                .workspaces
                .iter()
                .any(|declared| declared.name == used.name && !declared.optional);
            if optional && required {
                return Err(Refusal::new(
                    "RequiredWorkspaceMarkedOptional",
                    format!(
                        "workspace {:?} is optional in pipeline {:?}, but task {:?} requires it as {:?}",
                        used.source(),
                        plan.name,
                        task.name,
                        used.name
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// No task is named as a combination of another's matrix is.
pub(super) fn names(plan: &Plan) -> Result<(), Refusal> {
    for position in 0..plan.nodes.len() as u32 {
        let task = plan.task(position);
        let Some((stem, index)) = task.name.rsplit_once('-') else {
            continue;
        };
        let fans_out = |name: &str| {
            plan.index
                .get(name)
                .is_some_and(|other| plan.task(*other).matrix.is_some())
        };
        if !index.is_empty() && index.bytes().all(|digit| digit.is_ascii_digit()) && fans_out(stem) {
            return Err(Refusal::new(
                "PipelineValidationFailed",
                format!(
                    "task {:?} has the name of a combination of the matrix of task {stem:?}: rename one",
                    task.name
                ),
            ));
        }
    }
    Ok(())
}

/// What a task must have to be played: used by the builder of attempts.
pub(crate) fn has_steps(task: &PipelineTask, spec: &TaskSpec) -> Result<(), Refusal> {
    if spec.steps.is_empty() {
        return Err(Refusal::new(
            "TaskRunValidationFailed",
            format!("task {:?} has no steps", task.name),
        ));
    }
    Ok(())
}
