//! Task, on its own or embedded.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::scope::{Place, Scope};
use super::variable::TaskNames;
use super::{param, step, workspace};
use crate::object::Task;
use crate::path::At;
use crate::problem::{Problem, Problems};
use crate::reference::texts;
use crate::task::TaskSpec;

/// Checks a Task. It stands alone: all its parameters must be declared.
pub fn task(task: &Task, problems: &mut Problems) {
    spec(
        &task.spec,
        &Scope::closed(&task.spec.params),
        At::ROOT.key("spec"),
        problems,
    );
}

/// Checks a task's spec; parameters and workspaces may come from outside when the scope is open.
pub(super) fn spec(spec: &TaskSpec, scope: &Scope<'_>, at: At<'_>, problems: &mut Problems) {
    param::declarations(&spec.params, at.key("params"), problems);
    param::results(&spec.results, at.key("results"), problems);
    workspace::declarations(spec, at.key("workspaces"), problems);
    volumes(spec, at.key("volumes"), problems);
    step::steps(spec, scope, at.key("steps"), problems);
    step::sidecars(spec, scope, at.key("sidecars"), problems);
    variables(spec, scope, at, problems);
}

fn volumes(spec: &TaskSpec, at: At<'_>, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (index, volume) in spec.volumes.iter().enumerate() {
        let at = at.index(index);
        if volume.name.is_empty() {
            problems.add(Problem::error(at.key("name"), "is missing"));
        } else if !seen.insert(&volume.name) {
            problems.add(Problem::error(
                at.key("name"),
                format!("volume {:?} stands twice", volume.name),
            ));
        }
    }
}

/// Checks every variable in the containers and volumes.
fn variables(spec: &TaskSpec, scope: &Scope<'_>, at: At<'_>, problems: &mut Problems) {
    let names = TaskNames::new(spec, scope.is_open());
    let walk = Walk { scope, names: &names };
    let steps = at.key("steps");
    for (index, step) in spec.steps.iter().enumerate() {
        walk.container(step, steps.index(index), problems);
    }
    let sidecars = at.key("sidecars");
    for (index, sidecar) in spec.sidecars.iter().enumerate() {
        walk.container(sidecar, sidecars.index(index), problems);
    }
    if let Some(template) = &spec.step_template {
        walk.container(template, at.key("stepTemplate"), problems);
    }
    walk.container(&spec.volumes, at.key("volumes"), problems);
}

/// Fields of a container in which a list spreads into elements.
const LISTS: &[&str] = &["command", "args"];
/// Fields of a step that are checked elsewhere, or are prose.
const ELSEWHERE: &[&str] = &["when", "displayName", "description", "results"];

struct Walk<'a> {
    scope: &'a Scope<'a>,
    names: &'a TaskNames<'a>,
}

impl Walk<'_> {
    fn container(&self, container: &impl Serialize, at: At<'_>, problems: &mut Problems) {
        // These types are plain data: they always have a JSON form.
        match serde_json::to_value(container).unwrap_or_default() {
            Value::Object(fields) => {
                for (field, value) in fields.iter().filter(|(field, _)| !ELSEWHERE.contains(&field.as_str())) {
                    let place = match field.as_str() {
                        name if LISTS.contains(&name) => Place::Element,
                        "params" => Place::Value,
                        _ => Place::Text,
                    };
                    self.value(value, place, at.key(field), problems);
                }
            }
            other => self.value(&other, Place::Text, at, problems),
        }
    }

    fn value(&self, value: &Value, place: Place, at: At<'_>, problems: &mut Problems) {
        texts(value, at, &mut |at, text| {
            self.scope.check(text, place, at, problems);
            self.names.check(text, at, problems);
        });
    }
}
