//! References from one object to another: do they lead anywhere?
//!
//! A reference that does not is a warning, never an error: objects come in any
//! order. The run that follows it fails with the same text.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::manifest::{Diagnostic, ManifestSet};
use crate::object::Object;
use crate::path::At;
use crate::pipeline::{PipelineRef, PipelineSpec, TaskRef};
use crate::pipeline_run::PipelineRunSpec;
use crate::problem::{Problem, Problems};
use crate::similar::nearest;
use crate::task_run::TaskRunSpec;
use crate::workspace::WorkspaceBinding;
use crate::{kind, names};

/// Names that are listed when none is like the one that is missing.
const LISTED_MAX: usize = 5;

/// Which objects exist.
pub trait Lookup {
    /// Names of the objects of a kind in a namespace; absent when that is not known.
    fn names(&self, kind: &str, namespace: &str) -> Option<BTreeSet<String>>;
}

/// Knows nothing: only the set itself counts, and only for Tasks and Pipelines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Lookup for Nothing {
    fn names(&self, _kind: &str, _namespace: &str) -> Option<BTreeSet<String>> {
        None
    }
}

/// The text for a name that does not exist, with what does.
#[must_use]
pub fn missing(kind: &str, name: &str, namespace: &str, existing: &BTreeSet<String>) -> String {
    let mut text = format!("no {kind} {name:?} in namespace {namespace:?}");
    let existing: Vec<&str> = existing.iter().map(String::as_str).collect();
    match nearest(name, existing.iter().copied()) {
        Some(near) => text.push_str(&format!("; there is {near:?}")),
        None if existing.is_empty() => text.push_str("; there is none"),
        None => {
            let listed: Vec<String> = existing
                .iter()
                .take(LISTED_MAX)
                .map(|name| format!("{name:?}"))
                .collect();
            text.push_str(&format!("; there is {}", listed.join(", ")));
            if existing.len() > LISTED_MAX {
                text.push_str(&format!(" and {} more", existing.len() - LISTED_MAX));
            }
        }
    }
    text
}

/// Warnings for the references of one object that lead nowhere.
///
/// Objects without namespace are taken to be in `namespace`.
#[must_use]
pub fn dangling(object: &Object, namespace: &str, lookup: &dyn Lookup) -> Vec<Problem> {
    let own = object.namespace();
    let mut walk = Walk {
        namespace: if own.is_empty() { namespace } else { own },
        lookup,
        problems: Problems::default(),
    };
    let spec = object.rest.get("spec").cloned().unwrap_or_default();
    let at = At::ROOT.key("spec");
    if kind::split_api_version(&object.api_version).0 == "tekton.dev" {
        match object.kind.as_str() {
            "Pipeline" => walk.typed::<PipelineSpec>(spec, |walk, spec| walk.pipeline(spec, at)),
            "PipelineRun" => walk.typed::<PipelineRunSpec>(spec, |walk, spec| walk.pipeline_run(spec, at)),
            "TaskRun" => walk.typed::<TaskRunSpec>(spec, |walk, spec| walk.task_run(spec, at)),
            _ => {}
        }
    }
    walk.problems.into_vec()
}

impl ManifestSet {
    /// Warnings for references that lead to nothing in the set and nothing that exists.
    #[must_use]
    pub fn dangling(&self, namespace: &str, lookup: &dyn Lookup) -> Vec<Diagnostic> {
        let all = SetAndLookup::new(self, namespace, lookup);
        let each = self
            .manifests
            .iter()
            .map(|manifest| (manifest, dangling(&manifest.object, namespace, &all)));
        each.flat_map(|(manifest, problems)| problems.into_iter().map(|problem| manifest.locate(problem)))
            .collect()
    }
}

/// What the set brings, beside what exists.
struct SetAndLookup<'a> {
    own: BTreeMap<(String, String), BTreeSet<String>>,
    lookup: &'a dyn Lookup,
}

impl<'a> SetAndLookup<'a> {
    fn new(set: &ManifestSet, namespace: &str, lookup: &'a dyn Lookup) -> Self {
        let mut own: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for Object { kind, metadata, .. } in set.manifests.iter().map(|manifest| &manifest.object) {
            let namespace = metadata.namespace.as_deref().unwrap_or(namespace).to_owned();
            own.entry((kind.clone(), namespace))
                .or_default()
                .extend(metadata.name.clone());
        }
        Self { own, lookup }
    }
}

impl Lookup for SetAndLookup<'_> {
    fn names(&self, kind: &str, namespace: &str) -> Option<BTreeSet<String>> {
        let own = self.own.get(&(kind.to_owned(), namespace.to_owned()));
        let existing = self.lookup.names(kind, namespace);
        // Without a server only definitions are expected to be in the files.
        if existing.is_none() && !matches!(kind, "Task" | "Pipeline") {
            return None;
        }
        let mut names = existing.unwrap_or_default();
        names.extend(own.into_iter().flatten().cloned());
        Some(names)
    }
}

struct Walk<'a> {
    namespace: &'a str,
    lookup: &'a dyn Lookup,
    problems: Problems,
}

impl Walk<'_> {
    /// Walks a spec; one that cannot be read has been refused before.
    fn typed<T: serde::de::DeserializeOwned>(&mut self, spec: Value, walk: impl FnOnce(&mut Self, &T)) {
        if let Ok(spec) = serde_json::from_value(spec) {
            walk(self, &spec);
        }
    }

    fn name(&mut self, kind: &str, name: &str, at: At<'_>) {
        let replaced_later = name.is_empty() || name.contains("$(");
        if replaced_later {
            return;
        }
        let Some(existing) = self.lookup.names(kind, self.namespace) else {
            return;
        };
        if !existing.contains(name) {
            self.problems
                .add(Problem::warning(at, missing(kind, name, self.namespace, &existing)));
        }
    }

    fn pipeline(&mut self, spec: &PipelineSpec, at: At<'_>) {
        for (field, list) in [("tasks", &spec.tasks), ("finally", &spec.finally)] {
            let at = at.key(field);
            for (index, task) in list.iter().enumerate() {
                let at = at.index(index);
                self.task_ref(task.task_ref.as_ref(), at.key("taskRef"));
                self.pipeline_ref(task.pipeline_ref.as_ref(), at.key("pipelineRef"));
                if let Some(embedded) = &task.pipeline_spec {
                    self.pipeline(embedded, at.key("pipelineSpec"));
                }
            }
        }
    }

    fn pipeline_run(&mut self, spec: &PipelineRunSpec, at: At<'_>) {
        self.pipeline_ref(spec.pipeline_ref.as_ref(), at.key("pipelineRef"));
        if let Some(embedded) = &spec.pipeline_spec {
            self.pipeline(embedded, at.key("pipelineSpec"));
        }
        let template = at.key("taskRunTemplate");
        self.account(
            &spec.task_run_template.service_account_name,
            template.key("serviceAccountName"),
        );
        self.bindings(&spec.workspaces, at.key("workspaces"));
    }

    fn task_run(&mut self, spec: &TaskRunSpec, at: At<'_>) {
        self.task_ref(spec.task_ref.as_ref(), at.key("taskRef"));
        self.account(&spec.service_account_name, at.key("serviceAccountName"));
        self.bindings(&spec.workspaces, at.key("workspaces"));
    }

    fn task_ref(&mut self, reference: Option<&TaskRef>, at: At<'_>) {
        if let Some(reference) = reference.filter(|reference| !reference.is_custom() && reference.resolver.is_empty()) {
            self.name("Task", &reference.name, at.key("name"));
        }
    }

    fn pipeline_ref(&mut self, reference: Option<&PipelineRef>, at: At<'_>) {
        if let Some(reference) = reference.filter(|reference| reference.resolver.is_empty()) {
            self.name("Pipeline", &reference.name, at.key("name"));
        }
    }

    /// The account `default` is made with its namespace.
    fn account(&mut self, name: &str, at: At<'_>) {
        if name != names::DEFAULT_SERVICE_ACCOUNT {
            self.name("ServiceAccount", name, at);
        }
    }

    fn bindings(&mut self, bindings: &[WorkspaceBinding], at: At<'_>) {
        for (index, binding) in bindings.iter().enumerate() {
            let at = at.index(index);
            if let Some(claim) = &binding.persistent_volume_claim {
                let at = at.key("persistentVolumeClaim");
                self.name("PersistentVolumeClaim", &claim.claim_name, at.key("claimName"));
            }
            if let Some(map) = binding.config_map.as_ref().filter(|map| map.optional != Some(true)) {
                self.name("ConfigMap", &map.name, at.key("configMap").key("name"));
            }
            if let Some(secret) = binding.secret.as_ref().filter(|secret| secret.optional != Some(true)) {
                let name = secret.secret_name.as_deref().unwrap_or_default();
                self.name("Secret", name, at.key("secret").key("secretName"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
