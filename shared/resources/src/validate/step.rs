//! Steps and sidecars.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::VolumeMount;

use super::scope::Scope;
use super::text::{climbs, has_variable, is_dns_label};
use super::{param, when};
use crate::path::At;
use crate::problem::{Problem, Problems};
use crate::step::{OnError, Sidecar, Step};
use crate::task::TaskSpec;
use crate::workspace::WorkspaceUsage;

/// Steps a task may have.
pub const STEPS_MAX: usize = 256;

/// Checks the steps of a task.
pub(super) fn steps(spec: &TaskSpec, scope: &Scope<'_>, at: At<'_>, problems: &mut Problems) {
    if spec.steps.is_empty() {
        problems.add(Problem::error(at, "is missing").expected("at least one step"));
    }
    if spec.steps.len() > STEPS_MAX {
        problems
            .add(Problem::error(at, format!("{} steps", spec.steps.len())).expected(format!("at most {STEPS_MAX}")));
    }
    let mut seen = BTreeSet::new();
    for (index, step) in spec.steps.iter().enumerate() {
        let at = at.index(index);
        container_name(&step.name, &mut seen, at, problems);
        let has_image = spec
            .step_template
            .as_ref()
            .is_some_and(|template| !template.image.is_empty());
        program(step, has_image, at, problems);
        timing(step, at, problems);
        mounts(&step.volume_mounts, at.key("volumeMounts"), problems);
        usages(&step.workspaces, spec, scope, at.key("workspaces"), problems);
        param::results(&step.results, at.key("results"), problems);
        param::values(&step.params, at.key("params"), problems);
        when::guards(&step.when, scope, at.key("when"), problems);
    }
}

/// Checks the sidecars of a task.
pub(super) fn sidecars(spec: &TaskSpec, scope: &Scope<'_>, at: At<'_>, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (index, sidecar) in spec.sidecars.iter().enumerate() {
        let at = at.index(index);
        container_name(&sidecar.name, &mut seen, at, problems);
        sidecar_program(sidecar, at, problems);
        mounts(&sidecar.volume_mounts, at.key("volumeMounts"), problems);
        usages(&sidecar.workspaces, spec, scope, at.key("workspaces"), problems);
    }
}

fn container_name<'a>(name: &'a str, seen: &mut BTreeSet<&'a str>, at: At<'_>, problems: &mut Problems) {
    if name.is_empty() {
        return;
    }
    let at = at.key("name");
    if !seen.insert(name) {
        problems.add(Problem::error(at, format!("the name {name:?} stands twice")));
    }
    if !is_dns_label(name) && !has_variable(name) {
        problems.add(
            Problem::error(at, format!("{name:?} cannot be a container's name"))
                .expected("lower case letters, digits and inner dashes, at most 63"),
        );
    }
}

fn program(step: &Step, template_has_image: bool, at: At<'_>, problems: &mut Problems) {
    let Some(reference) = &step.reference else {
        if step.image.is_empty() && !template_has_image {
            problems.add(Problem::error(at.key("image"), "is missing").hint("or set it in stepTemplate"));
        }
        if !step.script.is_empty() && !step.command.is_empty() {
            problems.add(Problem::error(at.key("script"), "stands beside command").expected("one or the other"));
        }
        if !step.params.is_empty() {
            problems.add(Problem::error(
                at.key("params"),
                "a step has params only together with ref",
            ));
        }
        return;
    };
    if reference.name.is_empty() && reference.resolver.is_empty() {
        problems.add(Problem::error(at.key("ref"), "is empty").expected("name or resolver"));
    }
    let own = [
        ("image", !step.image.is_empty()),
        ("command", !step.command.is_empty()),
        ("args", !step.args.is_empty()),
        ("script", !step.script.is_empty()),
        ("env", !step.env.is_empty()),
        ("results", !step.results.is_empty()),
    ];
    for (field, _) in own.iter().filter(|(_, is_set)| *is_set) {
        problems.add(Problem::error(
            at.key(field),
            "stands beside ref: it comes from the StepAction",
        ));
    }
}

fn sidecar_program(sidecar: &Sidecar, at: At<'_>, problems: &mut Problems) {
    if sidecar.name.is_empty() {
        problems.add(Problem::error(at.key("name"), "is missing"));
    }
    if sidecar.image.is_empty() {
        problems.add(Problem::error(at.key("image"), "is missing"));
    }
    if !sidecar.script.is_empty() && !sidecar.command.is_empty() {
        problems.add(Problem::error(at.key("script"), "stands beside command").expected("one or the other"));
    }
}

fn timing(step: &Step, at: At<'_>, problems: &mut Problems) {
    if let Some(timeout) = step.timeout.filter(|timeout| timeout.as_nanos() < 0) {
        problems.add(Problem::error(at.key("timeout"), format!("{timeout} is negative")).expected("0 or more"));
    }
    on_error(step.on_error.as_ref(), at.key("onError"), problems);
}

/// Checks what a failure does, of steps and pipeline tasks.
pub(super) fn on_error(on_error: Option<&OnError>, at: At<'_>, problems: &mut Problems) {
    if let Some(OnError::Text(text)) = on_error
        && !has_variable(text)
    {
        problems.add(Problem::error(at, format!("{text:?} is not known")).expected("continue or stopAndFail"));
    }
}

/// Checks mounts of volumes, of every container.
pub(super) fn mounts(mounts: &[VolumeMount], at: At<'_>, problems: &mut Problems) {
    for (index, mount) in mounts.iter().enumerate() {
        let at = at.index(index);
        let path = mount.mount_path.as_str();
        if path.is_empty() {
            problems.add(Problem::error(at.key("mountPath"), "is missing"));
        } else if path.starts_with("/tekton/") && !path.starts_with("/tekton/home") {
            problems.add(
                Problem::error(at.key("mountPath"), format!("{path:?} is reserved"))
                    .expected("a path outside /tekton/, or below /tekton/home"),
            );
        } else if climbs(path) {
            problems.add(Problem::error(
                at.key("mountPath"),
                format!("{path:?} leaves its folder with \"..\""),
            ));
        }
        if mount.name.is_empty() {
            problems.add(Problem::error(at.key("name"), "is missing").expected("the name of a volume"));
        } else if mount.name.starts_with("tekton-internal-") {
            problems.add(Problem::error(at.key("name"), format!("{:?} is reserved", mount.name)));
        }
        if mount
            .sub_path
            .as_deref()
            .is_some_and(|path| climbs(path) || path.starts_with('/'))
        {
            problems.add(Problem::error(at.key("subPath"), "leaves the volume").expected("a path without \"..\""));
        }
    }
}

fn usages(usages: &[WorkspaceUsage], spec: &TaskSpec, scope: &Scope<'_>, at: At<'_>, problems: &mut Problems) {
    let declared: Vec<&str> = spec
        .workspaces
        .iter()
        .map(|workspace| workspace.name.as_str())
        .collect();
    for (index, usage) in usages.iter().enumerate() {
        let at = at.index(index);
        if !declared.contains(&usage.name.as_str()) && !scope.is_open() {
            let problem = Problem::error(at.key("name"), format!("no workspace {:?} is declared", usage.name));
            problems.add_near(
                problem,
                &usage.name,
                declared.iter().copied(),
                Some("declare it under workspaces of the task"),
            );
        }
        if climbs(&usage.mount_path) {
            problems.add(Problem::error(at.key("mountPath"), "leaves its folder with \"..\""));
        }
    }
}
