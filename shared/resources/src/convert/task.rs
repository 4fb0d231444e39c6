//! The spec of a task.

use serde_json::{Map, Value};

use super::{Conversion, fields};
use crate::path::At;
use crate::problem::{Problem, Problems};

/// Fields that steps had and have not any more.
const STEP_FIELDS: &[&str] = &[
    "ports",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "stdin",
    "stdinOnce",
    "tty",
];

/// Converts a task's spec in place and returns what v1 cannot hold, in the
/// shape it had: `steps` by position, and `stepTemplate`.
pub(super) fn spec(
    spec: &mut Map<String, Value>,
    at: At<'_>,
    problems: &mut Problems,
    conversion: &mut Conversion,
) -> Map<String, Value> {
    let mut lost = Map::new();
    let mut steps = Vec::new();
    let here = at.key("steps");
    for (index, step) in fields::objects(spec, "steps") {
        resources(step, here.index(index), conversion);
        steps.push(Value::Object(removed(step)));
    }
    if steps
        .iter()
        .any(|step| step.as_object().is_some_and(|fields| !fields.is_empty()))
    {
        lost.insert("steps".to_owned(), steps.into());
    }
    let here = at.key("sidecars");
    for (index, sidecar) in fields::objects(spec, "sidecars") {
        resources(sidecar, here.index(index), conversion);
    }
    if let Some(template) = fields::object(spec, "stepTemplate") {
        resources(template, at.key("stepTemplate"), conversion);
        let mut of_template = removed(template);
        of_template.extend(fields::take(template, "name").map(|name| ("name".to_owned(), name)));
        if !of_template.is_empty() {
            lost.insert("stepTemplate".to_owned(), of_template.into());
        }
    }
    if fields::take(spec, "resources").is_some() {
        let message = "PipelineResources do not exist any more; it is left out";
        problems.add(Problem::warning(at.key("resources"), message));
    }
    lost
}

/// `resources` of a container is `computeResources`.
pub(super) fn resources(container: &mut Map<String, Value>, at: At<'_>, conversion: &mut Conversion) {
    if fields::rename(container, "resources", "computeResources") {
        conversion.moved(at.key("resources").path(), at.key("computeResources").path());
    }
}

fn removed(step: &mut Map<String, Value>) -> Map<String, Value> {
    STEP_FIELDS
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), fields::take(step, field)?)))
        .collect()
}
