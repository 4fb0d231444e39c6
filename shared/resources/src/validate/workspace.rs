//! Workspaces: declarations and bindings.

use std::collections::BTreeSet;

use super::text::{climbs, has_variable};
use crate::path::At;
use crate::problem::{Problem, Problems, one_of};
use crate::task::TaskSpec;
use crate::workspace::WorkspaceBinding;

const SOURCES: &[&str] = &[
    "emptyDir",
    "persistentVolumeClaim",
    "volumeClaimTemplate",
    "configMap",
    "secret",
    "projected",
    "csi",
];

/// Checks the workspaces a task declares.
pub(super) fn declarations(spec: &TaskSpec, at: At<'_>, problems: &mut Problems) {
    let mut names = BTreeSet::new();
    let mut paths = BTreeSet::new();
    for (index, workspace) in spec.workspaces.iter().enumerate() {
        let at = at.index(index);
        declared_name(&workspace.name, &mut names, at, problems);
        let path = workspace.path();
        mount_path(&path, at, problems);
        if !paths.insert(path.clone()) {
            problems.add(Problem::error(
                at.key("mountPath"),
                format!("two workspaces are mounted at {path:?}"),
            ));
        }
    }
}

/// Checks a declared name and that it stands once.
pub(super) fn declared_name<'a>(name: &'a str, seen: &mut BTreeSet<&'a str>, at: At<'_>, problems: &mut Problems) {
    if name.is_empty() {
        problems.add(Problem::error(at.key("name"), "is missing"));
    } else if !seen.insert(name) {
        problems.add(Problem::error(
            at.key("name"),
            format!("workspace {name:?} stands twice"),
        ));
    } else if name.contains('/') || climbs(name) {
        problems.add(Problem::error(
            at.key("name"),
            format!("{name:?} cannot be a workspace's name"),
        ));
    }
}

fn mount_path(path: &str, at: At<'_>, problems: &mut Problems) {
    let at = at.key("mountPath");
    if climbs(path) {
        problems.add(
            Problem::error(at, format!("{path:?} leaves its folder with \"..\"")).expected("a path without \"..\""),
        );
    } else if path == "/" || path == "/tekton" || path.starts_with("/tekton/") && !path.starts_with("/tekton/home/") {
        problems.add(Problem::error(at, format!("{path:?} is reserved")));
    } else if !path.starts_with('/') && !has_variable(path) {
        problems.add(Problem::error(at, format!("{path:?} is relative")).expected("a path that begins with /"));
    }
}

/// Checks what a run binds to workspaces.
pub(super) fn bindings(bindings: &[WorkspaceBinding], at: At<'_>, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (index, binding) in bindings.iter().enumerate() {
        let at = at.index(index);
        declared_name(&binding.name, &mut seen, at, problems);
        sub_path(&binding.sub_path, at.key("subPath"), problems);
        match binding.sources().as_slice() {
            [] => problems.add(Problem::error(at, "has no volume").expected(format!("one of {}", one_of(SOURCES)))),
            [_] => source(binding, at, problems),
            several => problems.add(
                Problem::error(at, format!("has {} volumes: {}", several.len(), several.join(", ")))
                    .expected("exactly one"),
            ),
        }
    }
}

/// Checks a folder below a volume.
pub(super) fn sub_path(path: &str, at: At<'_>, problems: &mut Problems) {
    if climbs(path) || path.starts_with('/') {
        problems
            .add(Problem::error(at, format!("{path:?} leaves the volume")).expected("a relative path without \"..\""));
    }
}

fn source(binding: &WorkspaceBinding, at: At<'_>, problems: &mut Problems) {
    let mut missing = |source: &str, field: &str| {
        problems.add(Problem::error(at.key(source).key(field), "is missing"));
    };
    if binding
        .persistent_volume_claim
        .as_ref()
        .is_some_and(|claim| claim.claim_name.is_empty())
    {
        missing("persistentVolumeClaim", "claimName");
    }
    if binding.config_map.as_ref().is_some_and(|map| map.name.is_empty()) {
        missing("configMap", "name");
    }
    if binding
        .secret
        .as_ref()
        .is_some_and(|secret| secret.secret_name.as_deref().unwrap_or_default().is_empty())
    {
        missing("secret", "secretName");
    }
    if binding
        .projected
        .as_ref()
        .is_some_and(|projected| projected.sources.as_deref().unwrap_or_default().is_empty())
    {
        missing("projected", "sources");
    }
    if binding.csi.as_ref().is_some_and(|csi| csi.driver.is_empty()) {
        missing("csi", "driver");
    }
}
