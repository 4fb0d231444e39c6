//! From `tekton.dev/v1beta1` to `v1`, on JSON and before types are read.
//!
//! Field names are found whatever their case. Fields that no version has are
//! left for the decoder to notice.

use serde_json::{Map, Value, json};

use crate::names;
use crate::path::{At, Path};
use crate::problem::{Problem, Problems};

mod back;
mod fields;
mod run;
mod task;

pub use back::from_stored;

/// Where fields of the converted object came from, to tell problems in the
/// words of the original.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversion {
    moves: Vec<(Path, Path)>,
}

impl Conversion {
    /// The path in the original of a path in the converted object.
    #[must_use]
    pub fn original(&self, path: &Path) -> Path {
        self.moves
            .iter()
            .rev()
            .fold(path.clone(), |path, (from, to)| path.moved(to, from))
    }

    fn moved(&mut self, from: Path, to: Path) {
        self.moves.push((from, to));
    }
}

/// Converts an object of Tekton's v1beta1 in place; all others stay as they are.
///
/// Loses what v1 cannot hold, with a warning each; for a Task such fields are
/// kept in an annotation.
pub fn to_v1(object: &mut Value, problems: &mut Problems) -> Conversion {
    let mut conversion = Conversion::default();
    if object.get("apiVersion").and_then(Value::as_str) != Some(names::TEKTON_V1BETA1) {
        return conversion;
    }
    let kind = object
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let Some(fields) = object.as_object_mut() else {
        return conversion;
    };
    let mut conversion_of = Converter {
        problems,
        conversion: &mut conversion,
    };
    let is_known = match kind.as_str() {
        "Task" => conversion_of.task(fields),
        "Pipeline" => conversion_of.pipeline(fields),
        "TaskRun" => conversion_of.task_run(fields),
        "PipelineRun" => conversion_of.pipeline_run(fields),
        _ => false,
    };
    if is_known {
        fields.insert("apiVersion".to_owned(), names::TEKTON_V1.into());
    }
    conversion
}

struct Converter<'a> {
    problems: &'a mut Problems,
    conversion: &'a mut Conversion,
}

impl Converter<'_> {
    fn task(&mut self, object: &mut Map<String, Value>) -> bool {
        let at = At::ROOT.key("spec");
        let Some(spec) = fields::object(object, "spec") else {
            return true;
        };
        let lost = task::spec(spec, at, self.problems, self.conversion);
        if lost.is_empty() {
            return true;
        }
        let metadata = object.entry("metadata").or_insert_with(|| json!({}));
        if let Some(annotations) = metadata
            .as_object_mut()
            .map(|fields| fields.entry("annotations").or_insert_with(|| json!({})))
            && let Some(annotations) = annotations.as_object_mut()
        {
            annotations.insert(
                names::ANNOTATION_TASK_DEPRECATIONS.to_owned(),
                Value::Object(lost).to_string().into(),
            );
        }
        true
    }

    fn pipeline(&mut self, object: &mut Map<String, Value>) -> bool {
        if let Some(spec) = fields::object(object, "spec") {
            self.pipeline_spec(spec, At::ROOT.key("spec"));
        }
        true
    }

    fn pipeline_spec(&mut self, spec: &mut Map<String, Value>, at: At<'_>) {
        for list in ["tasks", "finally"] {
            let at = at.key(list);
            for (index, task) in fields::objects(spec, list) {
                let at = at.index(index);
                if let Some(reference) = fields::object(task, "taskRef") {
                    fields::bundle(reference, "task");
                }
                if let Some(embedded) = fields::object(task, "taskSpec") {
                    self.embedded_task(embedded, at.key("taskSpec"));
                }
                if let Some(embedded) = fields::object(task, "pipelineSpec") {
                    self.pipeline_spec(embedded, at.key("pipelineSpec"));
                }
                if fields::take(task, "resources").is_some() {
                    self.lost(at.key("resources"));
                }
            }
        }
    }

    /// A task that has no annotations of its own: what v1 cannot hold is lost.
    fn embedded_task(&mut self, spec: &mut Map<String, Value>, at: At<'_>) {
        let lost = task::spec(spec, at, self.problems, self.conversion);
        for field in lost.keys() {
            self.problems.add(
                Problem::warning(
                    at.key(field),
                    "has fields that tekton.dev/v1 does not have; they are left out",
                )
                .hint("ports, probes, lifecycle, stdin and tty of steps"),
            );
        }
    }

    fn lost(&mut self, at: At<'_>) {
        self.problems.add(Problem::warning(
            at,
            "PipelineResources do not exist any more; it is left out",
        ));
    }
}

#[cfg(test)]
mod tests;
