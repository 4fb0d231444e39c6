//! StepAction.

use super::scope::{Place, Scope};
use super::{param, step};
use crate::object::StepAction;
use crate::path::At;
use crate::problem::{Problem, Problems};
use crate::reference::texts;

/// Checks a StepAction. It stands alone: all its parameters must be declared.
pub fn step_action(action: &StepAction, problems: &mut Problems) {
    let (spec, at) = (&action.spec, At::ROOT.key("spec"));
    param::declarations(&spec.params, at.key("params"), problems);
    param::results(&spec.results, at.key("results"), problems);
    if spec.image.is_empty() {
        problems.add(Problem::error(at.key("image"), "is missing"));
    }
    if !spec.script.is_empty() && !spec.command.is_empty() {
        problems.add(Problem::error(at.key("script"), "stands beside command").expected("one or the other"));
    }
    step::mounts(&spec.volume_mounts, at.key("volumeMounts"), problems);
    let scope = Scope::closed(&spec.params);
    for (field, place, texts_of) in [
        ("image", Place::Text, serde_json::to_value(&spec.image)),
        ("script", Place::Text, serde_json::to_value(&spec.script)),
        ("workingDir", Place::Text, serde_json::to_value(&spec.working_dir)),
        ("env", Place::Text, serde_json::to_value(&spec.env)),
        ("command", Place::Element, serde_json::to_value(&spec.command)),
        ("args", Place::Element, serde_json::to_value(&spec.args)),
    ] {
        // These types are plain data: they always have a JSON form.
        texts(&texts_of.unwrap_or_default(), at.key(field), &mut |at, text| {
            scope.check(text, place, at, problems)
        });
    }
}
