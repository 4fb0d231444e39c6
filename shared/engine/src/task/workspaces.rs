//! What is bound to a task's workspaces.

use k8s_openapi::api::core::v1::PersistentVolumeClaimVolumeSource;
use tidemill_messages::RunKind;
use tidemill_resources::{TaskSpec, WorkspaceBinding, WorkspaceDeclaration};

use super::{Subject, inputs, replace_binding};
use crate::guard;
use crate::plan::Definition;
use crate::refusal::Refusal;
use crate::state::{Ends, Results};
use crate::substitution::{self, walk};

/// The bindings by the names the task declares. An embedded task is given declarations of the
/// workspaces that it uses and the run binds.
pub(super) fn bindings(subject: &Subject<'_>, spec: &mut TaskSpec) -> Result<Vec<WorkspaceBinding>, Refusal> {
    let (results, ends) = (Results(subject.state), Ends(subject.state));
    let scope = guard::task_scope(subject.plan, subject.node, &results, &ends);
    let mut bindings = match subject.plan.kind {
        RunKind::PipelineRun => of_pipeline_task(subject, spec, &scope)?,
        RunKind::TaskRun => of_task_run(subject, spec)?,
    };
    for binding in &mut bindings {
        replace_binding(binding, &scope)?;
    }
    required(spec, &bindings)?;
    Ok(bindings)
}

fn of_pipeline_task(
    subject: &Subject<'_>,
    spec: &mut TaskSpec,
    scope: &substitution::Scope<'_>,
) -> Result<Vec<WorkspaceBinding>, Refusal> {
    let task = subject.plan.task(subject.node);
    let mut bindings = Vec::new();
    for used in &task.workspaces {
        let Some(binding) = subject
            .run
            .workspaces()
            .iter()
            .find(|binding| binding.name == used.source())
        else {
            let optional = subject
                .plan
                .spec
                .workspaces
                .iter()
                .any(|declared| declared.name == used.source() && declared.optional);
            if optional {
                continue;
            }
            let message = format!(
                "task {:?} takes workspace {:?}, which the run does not bind",
                task.name,
                used.source()
            );
            return Err(Refusal::new("TaskRunValidationFailed", message));
        };
        let mut sub_path = used.sub_path.clone();
        substitution::text(&mut sub_path, scope).map_err(super::invalid)?;
        bindings.push(renamed(subject, binding, &used.name, &sub_path));
    }
    if inputs::is_embedded(subject) {
        propagate(subject, spec, &mut bindings);
    }
    Ok(bindings)
}

/// The run's binding under the task's name, with the task's folder below the run's.
fn renamed(subject: &Subject<'_>, binding: &WorkspaceBinding, name: &str, sub_path: &str) -> WorkspaceBinding {
    let mut binding = binding.clone();
    claim(subject, &mut binding);
    name.clone_into(&mut binding.name);
    binding.sub_path = joined(&binding.sub_path, sub_path);
    binding
}

fn joined(outer: &str, inner: &str) -> String {
    match (outer.trim_end_matches('/'), inner.trim_start_matches('/')) {
        ("", inner) => inner.to_owned(),
        (outer, "") => outer.to_owned(),
        (outer, inner) => format!("{outer}/{inner}"),
    }
}

/// Workspaces of the run that an embedded task uses without asking for them.
fn propagate(subject: &Subject<'_>, spec: &mut TaskSpec, bindings: &mut Vec<WorkspaceBinding>) {
    let used = used_names(spec);
    for binding in subject.run.workspaces() {
        let declared = spec.workspaces.iter().any(|declared| declared.name == binding.name);
        if !(used.contains(&binding.name) || declared) || bindings.iter().any(|bound| bound.name == binding.name) {
            continue;
        }
        bindings.push(renamed(subject, binding, &binding.name, ""));
        if !declared {
            spec.workspaces.push(declaration(&binding.name));
        }
    }
}

fn declaration(name: &str) -> WorkspaceDeclaration {
    WorkspaceDeclaration {
        name: name.to_owned(),
        ..WorkspaceDeclaration::default()
    }
}

/// Names of workspaces in variables and in what steps and sidecars take for themselves.
fn used_names(spec: &TaskSpec) -> Vec<String> {
    let mut variables = Vec::new();
    let mut copy = spec.clone();
    let Ok(()) = walk::task(&mut copy, &mut walk::gathering(&mut variables));
    if let Some(template) = &mut copy.step_template {
        let Ok(()) = walk::template(template, &mut walk::gathering(&mut variables));
    }
    let in_texts = variables
        .iter()
        .filter_map(|name| name.strip_prefix("workspaces.")?.split_once('.'))
        .map(|(name, _)| name);
    let in_steps = spec.steps.iter().flat_map(|step| &step.workspaces);
    let in_sidecars = spec.sidecars.iter().flat_map(|sidecar| &sidecar.workspaces);
    let taken = in_steps.chain(in_sidecars).map(|usage| usage.name.as_str());
    in_texts.chain(taken).map(str::to_owned).collect()
}

fn of_task_run(subject: &Subject<'_>, spec: &mut TaskSpec) -> Result<Vec<WorkspaceBinding>, Refusal> {
    let embedded = subject.plan.nodes[subject.node as usize].definition == Definition::Embedded;
    for binding in subject.run.workspaces() {
        if spec.workspaces.iter().any(|declared| declared.name == binding.name) {
            continue;
        }
        if !embedded {
            let message = format!(
                "the task declares no workspace {:?}, which the TaskRun binds",
                binding.name
            );
            return Err(Refusal::new("TaskRunValidationFailed", message));
        }
        spec.workspaces.push(declaration(&binding.name));
    }
    Ok(subject
        .run
        .workspaces()
        .iter()
        .map(|binding| renamed(subject, binding, &binding.name, ""))
        .collect())
}

/// A template is met by the run's claim. The claim is found by the run's workspace, so this comes
/// before the binding takes the task's name.
fn claim(subject: &Subject<'_>, binding: &mut WorkspaceBinding) {
    if binding.volume_claim_template.is_none() {
        return;
    }
    let claim = subject.plan.claims.iter().find(|claim| claim.workspace == binding.name);
    binding.volume_claim_template = None;
    binding.persistent_volume_claim = claim.map(|claim| PersistentVolumeClaimVolumeSource {
        claim_name: claim.name.clone(),
        read_only: None,
    });
}

fn required(spec: &TaskSpec, bindings: &[WorkspaceBinding]) -> Result<(), Refusal> {
    let bound = |name: &str| bindings.iter().any(|binding| binding.name == name);
    match spec
        .workspaces
        .iter()
        .find(|declared| !declared.optional && !bound(&declared.name))
    {
        None => Ok(()),
        Some(declared) => Err(Refusal::new(
            "TaskRunValidationFailed",
            format!("workspace {:?} is required by the task but is not bound", declared.name),
        )),
    }
}
