//! TaskRun.

use std::collections::BTreeSet;

use super::scope::Scope;
use super::{pipeline_run, pipeline_task, task, workspace};
use crate::object::TaskRun;
use crate::path::At;
use crate::problem::{Problem, Problems};
use crate::task_run::{SidecarSpecOverride, StepSpecOverride, TaskRunSpec};

/// Checks a TaskRun.
pub fn task_run(run: &TaskRun, problems: &mut Problems) {
    let (spec, at) = (&run.spec, At::ROOT.key("spec"));
    definition(spec, at, problems);
    pipeline_run::values(&spec.params, at.key("params"), problems);
    workspace::bindings(&spec.workspaces, at.key("workspaces"), problems);
    if let Some(timeout) = spec.timeout.filter(|timeout| timeout.as_nanos() < 0) {
        problems.add(Problem::error(at.key("timeout"), format!("{timeout} is negative")).expected("0 or more"));
    }
    if spec.status.is_none() && !spec.status_message.is_empty() {
        problems.add(Problem::error(at.key("statusMessage"), "without a status").expected("a status beside it"));
    }
    resources(
        spec.compute_resources.is_some(),
        &spec.step_specs,
        &spec.sidecar_specs,
        at,
        problems,
    );
    managed_by(spec.managed_by.as_deref(), at.key("managedBy"), problems);
}

fn definition(spec: &TaskRunSpec, at: At<'_>, problems: &mut Problems) {
    match (&spec.task_ref, &spec.task_spec) {
        (None, None) => problems.add(Problem::error(at, "says not what to run").expected("taskRef or taskSpec")),
        (Some(_), Some(_)) => problems.add(Problem::error(at, "taskRef and taskSpec together").expected("exactly one")),
        _ => {}
    }
    if let Some(reference) = &spec.task_ref {
        pipeline_task::task_ref(reference, at.key("taskRef"), problems);
    }
    if let Some(embedded) = &spec.task_spec {
        task::spec(embedded, &Scope::open(&embedded.params), at.key("taskSpec"), problems);
    }
}

/// Checks resources set by a run: for the whole task or by container.
pub(super) fn resources(
    has_own: bool,
    steps: &[StepSpecOverride],
    sidecars: &[SidecarSpecOverride],
    at: At<'_>,
    problems: &mut Problems,
) {
    if has_own && !steps.is_empty() {
        problems
            .add(Problem::error(at.key("computeResources"), "stands beside stepSpecs").expected("one or the other"));
    }
    unique(
        steps.iter().map(|step| step.name.as_str()),
        at.key("stepSpecs"),
        problems,
    );
    unique(
        sidecars.iter().map(|sidecar| sidecar.name.as_str()),
        at.key("sidecarSpecs"),
        problems,
    );
}

fn unique<'a>(names: impl Iterator<Item = &'a str>, at: At<'_>, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        let at = at.index(index);
        if name.is_empty() {
            problems.add(Problem::error(at.key("name"), "is missing"));
        } else if !seen.insert(name) {
            problems.add(Problem::error(at.key("name"), format!("{name:?} stands twice")));
        }
    }
}

/// A manager is named as `<domain>/<name>`.
pub(super) fn managed_by(manager: Option<&str>, at: At<'_>, problems: &mut Problems) {
    if let Some(manager) = manager
        && (manager
            .split_once('/')
            .is_none_or(|(domain, name)| domain.is_empty() || name.is_empty()))
    {
        problems.add(Problem::error(at, format!("{manager:?} names no manager")).expected("<domain>/<name>"));
    }
}
