//! Runs and their status.

use serde_json::{Map, Value};

use super::{Converter, fields, task};
use crate::path::At;

impl Converter<'_> {
    pub(super) fn task_run(&mut self, object: &mut Map<String, Value>) -> bool {
        let at = At::ROOT.key("spec");
        if let Some(spec) = fields::object(object, "spec") {
            self.overrides(spec, at);
            if let Some(embedded) = fields::object(spec, "taskSpec") {
                self.embedded_task(embedded, at.key("taskSpec"));
            }
            if let Some(reference) = fields::object(spec, "taskRef") {
                fields::bundle(reference, "task");
            }
            if fields::take(spec, "resources").is_some() {
                self.lost(at.key("resources"));
            }
        }
        if let Some(status) = fields::object(object, "status") {
            self.task_run_status(status, At::ROOT.key("status"));
        }
        true
    }

    fn task_run_status(&mut self, status: &mut Map<String, Value>, at: At<'_>) {
        fields::rename(status, "taskResults", "results");
        for gone in ["resourcesResult", "cloudEvents"] {
            fields::take(status, gone);
        }
        if let Some(embedded) = fields::object(status, "taskSpec") {
            self.embedded_task(embedded, at.key("taskSpec"));
        }
        let earlier = at.key("retriesStatus");
        for (index, attempt) in fields::objects(status, "retriesStatus") {
            self.task_run_status(attempt, earlier.index(index));
        }
    }

    pub(super) fn pipeline_run(&mut self, object: &mut Map<String, Value>) -> bool {
        let at = At::ROOT.key("spec");
        if let Some(spec) = fields::object(object, "spec") {
            self.pipeline_run_spec(spec, at);
        }
        if let Some(status) = fields::object(object, "status") {
            fields::rename(status, "pipelineResults", "results");
            for gone in ["taskRuns", "runs"] {
                fields::take(status, gone);
            }
            if let Some(embedded) = fields::object(status, "pipelineSpec") {
                self.pipeline_spec(embedded, At::ROOT.key("status").key("pipelineSpec"));
            }
        }
        true
    }

    fn pipeline_run_spec(&mut self, spec: &mut Map<String, Value>, at: At<'_>) {
        self.gather(spec, at, "timeout", "timeouts", "pipeline");
        self.gather(spec, at, "serviceAccountName", "taskRunTemplate", "serviceAccountName");
        self.gather(spec, at, "podTemplate", "taskRunTemplate", "podTemplate");
        if let Some(embedded) = fields::object(spec, "pipelineSpec") {
            self.pipeline_spec(embedded, at.key("pipelineSpec"));
        }
        if let Some(reference) = fields::object(spec, "pipelineRef") {
            fields::bundle(reference, "pipeline");
        }
        if fields::take(spec, "resources").is_some() {
            self.lost(at.key("resources"));
        }
        let overrides = at.key("taskRunSpecs");
        for (index, settings) in fields::objects(spec, "taskRunSpecs") {
            let at = overrides.index(index);
            self.renamed(settings, at, "taskServiceAccountName", "serviceAccountName");
            self.renamed(settings, at, "taskPodTemplate", "podTemplate");
            self.overrides(settings, at);
        }
    }

    /// `stepOverrides` and `sidecarOverrides` of a run.
    fn overrides(&mut self, fields_of: &mut Map<String, Value>, at: At<'_>) {
        for (from, to) in [("stepOverrides", "stepSpecs"), ("sidecarOverrides", "sidecarSpecs")] {
            self.renamed(fields_of, at, from, to);
            let at = at.key(to);
            for (index, settings) in fields::objects(fields_of, to) {
                task::resources(settings, at.index(index), self.conversion);
            }
        }
    }

    fn renamed(&mut self, fields_of: &mut Map<String, Value>, at: At<'_>, from: &str, to: &str) {
        if fields::rename(fields_of, from, to) {
            self.conversion.moved(at.key(from).path(), at.key(to).path());
        }
    }

    /// Moves `from` to `into.to` unless that is set.
    fn gather(&mut self, spec: &mut Map<String, Value>, at: At<'_>, from: &str, into: &str, to: &str) {
        let Some(value) = fields::take(spec, from) else { return };
        let group = match fields::object(spec, into) {
            Some(group) => group,
            None => {
                spec.insert(into.to_owned(), Value::Object(Map::new()));
                let Some(group) = fields::object(spec, into) else {
                    return;
                };
                group
            }
        };
        if !group.contains_key(to) {
            group.insert(to.to_owned(), value);
            self.conversion.moved(at.key(from).path(), at.key(into).key(to).path());
        }
    }
}
