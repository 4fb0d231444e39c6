//! What a set of files asks for: definitions to apply, and one run to create.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidemill_resources::manifest::Manifest;

use super::bindings::types_of;
use crate::client::{Address, Client};
use crate::error::Error;
use crate::json as read;

/// The set, taken apart.
#[derive(Debug)]
pub(crate) struct Plan {
    /// To be applied first, in order.
    pub(crate) definitions: Vec<Manifest>,
    /// To be created.
    pub(crate) run: Value,
}

impl Plan {
    /// Takes a set apart; without a run in it, one is made of its Pipeline, else of its Task.
    ///
    /// # Errors
    /// [`Error::Usage`] when it is not clear what to run.
    pub(crate) fn new(manifests: Vec<Manifest>) -> Result<Self, Error> {
        let is_run = |manifest: &Manifest| matches!(manifest.object.kind.as_str(), "PipelineRun" | "TaskRun");
        let (mut runs, definitions): (Vec<_>, Vec<_>) = manifests.into_iter().partition(is_run);
        let run = match (runs.pop(), runs.is_empty()) {
            (Some(run), true) => run.written,
            (Some(_), false) => {
                return Err(Error::usage_hint(
                    format!("the files hold {} runs; `tidemill run` shows one", runs.len() + 1),
                    "give them one by one, or start them all with `tidemill create`",
                ));
            }
            (None, _) => made(&definitions)?,
        };
        Ok(Self { definitions, run })
    }

    /// The pipeline's spec, where the files have it: it names the tasks before the run does.
    pub(crate) fn pipeline_spec(&self) -> Option<&Value> {
        let own = self.run.pointer("/spec/pipelineSpec");
        own.or_else(|| self.referenced("Pipeline", "/spec/pipelineRef/name"))
    }

    /// Types of the parameters the run may be given, by name: from the files, else from the server.
    ///
    /// # Errors
    /// [`Error::Refused`], but a Pipeline that is not there declares nothing: the run will say so.
    pub(crate) async fn declared_params(&self, client: &Client) -> Result<BTreeMap<String, String>, Error> {
        for (embedded, kind, reference) in [
            ("/spec/pipelineSpec", "Pipeline", "/spec/pipelineRef/name"),
            ("/spec/taskSpec", "Task", "/spec/taskRef/name"),
        ] {
            let spec = self.run.pointer(embedded).or_else(|| self.referenced(kind, reference));
            if let Some(spec) = spec {
                return Ok(types_of(read::list(spec, "/params")));
            }
            let name = read::text(&self.run, reference);
            if !name.is_empty() {
                let namespace = match read::namespace(&self.run) {
                    "" => client.namespace(),
                    namespace => namespace,
                };
                let address = Address::object(crate::commands::kind(kind)?, namespace, name);
                return match client.get(&address).await {
                    Ok(object) => Ok(types_of(read::list(&object, "/spec/params"))),
                    Err(error) if error.is_not_found() => Ok(BTreeMap::new()),
                    Err(error) => Err(error),
                };
            }
        }
        Ok(BTreeMap::new())
    }

    /// The spec of a definition of the set that the run refers to.
    fn referenced(&self, kind: &str, reference: &str) -> Option<&Value> {
        let name = read::text(&self.run, reference);
        let found = self
            .definitions
            .iter()
            .find(|manifest| manifest.object.kind == kind && manifest.object.name() == name);
        found.filter(|_| !name.is_empty())?.written.get("spec")
    }
}

fn made(definitions: &[Manifest]) -> Result<Value, Error> {
    let of = |kind: &str| {
        definitions
            .iter()
            .filter(|manifest| manifest.object.kind == kind)
            .collect::<Vec<_>>()
    };
    let (pipelines, tasks) = (of("Pipeline"), of("Task"));
    let (kind, reference, of) = match (pipelines.as_slice(), tasks.as_slice()) {
        ([one], _) => ("PipelineRun", "pipelineRef", one),
        ([], [one]) => ("TaskRun", "taskRef", one),
        (several, tasks) => {
            return Err(Error::usage_hint(
                format!(
                    "the files hold no run, {} pipelines and {} tasks: it is not clear what to run",
                    several.len(),
                    tasks.len()
                ),
                "add a PipelineRun, or give the files of one Pipeline",
            ));
        }
    };
    let mut metadata = json!({"generateName": format!("{}-run-", of.object.name())});
    if !of.object.namespace().is_empty() {
        metadata["namespace"] = of.object.namespace().into();
    }
    Ok(json!({
        "apiVersion": "tekton.dev/v1",
        "kind": kind,
        "metadata": metadata,
        "spec": {reference: {"name": of.object.name()}},
    }))
}

#[cfg(test)]
mod tests {
    use tidemill_resources::manifest::{File, Limits, Manifest, ManifestSet};

    use super::Plan;

    fn manifests(names: &[(&str, &str)]) -> Vec<Manifest> {
        let documents: Vec<String> = names.iter().map(|(kind, name)| document(kind, name)).collect();
        let text = documents.join("---\n");
        let file = File {
            name: "a.yaml",
            bytes: text.as_bytes(),
        };
        ManifestSet::parse(&[file], &Limits::default(), false)
            .unwrap()
            .manifests
    }

    fn document(kind: &str, name: &str) -> String {
        let head = format!("apiVersion: tekton.dev/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: ci}}\n");
        let task = "taskSpec: {steps: [{image: busybox, script: ls}]}";
        let spec = match kind {
            "Task" => "spec: {steps: [{image: busybox, script: ls}]}\n".to_owned(),
            "TaskRun" => format!("spec: {{{task}}}\n"),
            "Pipeline" => format!("spec: {{tasks: [{{name: a, {task}}}]}}\n"),
            _ => "spec: {pipelineRef: {name: p}}\n".to_owned(),
        };
        head + &spec
    }

    #[test]
    fn a_run_is_taken_from_the_files_or_made_of_them() {
        let plan = Plan::new(manifests(&[("Task", "t"), ("Pipeline", "p"), ("PipelineRun", "r")])).unwrap();
        assert_eq!(
            (plan.definitions.len(), plan.run["metadata"]["name"].as_str()),
            (2, Some("r"))
        );
        assert!(plan.pipeline_spec().is_some());
        let plan = Plan::new(manifests(&[("Task", "t"), ("Task", "u"), ("Pipeline", "p")])).unwrap();
        assert_eq!(plan.run["metadata"]["generateName"], "p-run-");
        assert_eq!(plan.run["metadata"]["namespace"], "ci");
        assert_eq!(plan.run["spec"]["pipelineRef"]["name"], "p");
        let plan = Plan::new(manifests(&[("Task", "t")])).unwrap();
        assert_eq!(
            (plan.run["kind"].as_str(), plan.run["spec"]["taskRef"]["name"].as_str()),
            (Some("TaskRun"), Some("t"))
        );
    }

    #[test]
    fn what_is_not_clear_is_refused() {
        for names in [
            &[("TaskRun", "a"), ("TaskRun", "b")][..],
            &[("Pipeline", "a"), ("Pipeline", "b")],
            &[("Task", "a"), ("Task", "b")],
        ] {
            assert_eq!(Plan::new(manifests(names)).unwrap_err().exit().code(), 64, "{names:?}");
        }
    }
}
