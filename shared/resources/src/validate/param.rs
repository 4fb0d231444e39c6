//! Declarations and values of parameters, and declarations of results.

use std::collections::BTreeSet;

use super::text::{is_param_name, is_result_name};
use crate::param::{Param, ParamSpec, ParamType, ParamValue};
use crate::path::At;
use crate::problem::{Problem, Problems};
use crate::reference::whole;
use crate::task::TaskResult;

/// Checks declared parameters.
pub(super) fn declarations(declared: &[ParamSpec], at: At<'_>, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (index, param) in declared.iter().enumerate() {
        let at = at.index(index);
        name(param, at.key("name"), problems);
        if !seen.insert(param.name.to_lowercase()) {
            problems.add(
                Problem::error(at.key("name"), format!("parameter {:?} is declared twice", param.name))
                    .hint("names differ by more than case"),
            );
        }
        kind(param, at, problems);
        allowed(param, at, problems);
    }
}

fn name(param: &ParamSpec, at: At<'_>, problems: &mut Problems) {
    let is_object = param.effective_type() == ParamType::Object;
    if param.name.is_empty() {
        problems.add(Problem::error(at, "is missing"));
    } else if !is_param_name(&param.name) || is_object && param.name.contains('.') {
        let dots = if is_object { "" } else { ", dots" };
        problems.add(
            Problem::error(at, format!("{:?} cannot be a parameter's name", param.name)).expected(format!(
                "letters, digits, dashes{dots} and underscores, not beginning with a digit or dash"
            )),
        );
    }
}

fn kind(param: &ParamSpec, at: At<'_>, problems: &mut Problems) {
    let kind = param.effective_type();
    if let Some(default) = param.default.as_ref().filter(|default| default.kind() != kind) {
        let problem = Problem::error(at.key("default"), format!("a default of type {}", default.kind()))
            .expected(format!("type {kind}, as declared"));
        // A list of anything but strings is one text, as with Tekton.
        let is_mixed = default.as_str().is_some_and(|text| text.starts_with(['[', '{']));
        problems.add(if is_mixed {
            problem.hint("every element must be a string: put numbers, yes, no, y and n in quotes")
        } else {
            problem
        });
    }
    if kind == ParamType::Object && param.properties.is_empty() && param.default.is_none() {
        problems.add(Problem::error(at.key("properties"), "is missing").expected("the keys of the object"));
    }
    for (key, property) in &param.properties {
        if property.kind.is_some_and(|kind| kind != ParamType::String) {
            let properties = at.key("properties");
            problems.add(Problem::error(properties.key(key).key("type"), "not a string").expected("string"));
        }
    }
}

fn allowed(param: &ParamSpec, at: At<'_>, problems: &mut Problems) {
    if param.allowed.is_empty() {
        return;
    }
    let here = at.key("enum");
    if param.effective_type() != ParamType::String {
        problems.add(Problem::error(here, "only strings have an enum"));
    }
    let distinct: BTreeSet<&String> = param.allowed.iter().collect();
    if distinct.len() < param.allowed.len() {
        problems.add(Problem::error(here, "a value stands twice"));
    }
    if let Some(ParamValue::String(default)) = param.default.as_ref().filter(|_| !distinct.is_empty())
        && !distinct.contains(default)
    {
        problems.add(Problem::error(
            at.key("default"),
            format!("{default:?} is not in the enum"),
        ));
    }
}

/// Checks that given parameters have names, each once.
pub(super) fn values(given: &[Param], at: At<'_>, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (index, param) in given.iter().enumerate() {
        let at = at.index(index);
        if param.name.is_empty() {
            problems.add(Problem::error(at.key("name"), "is missing"));
        } else if !seen.insert(&param.name) {
            problems.add(Problem::error(
                at.key("name"),
                format!("parameter {:?} is given twice", param.name),
            ));
        }
    }
}

/// Checks declared results of a task or step.
pub(super) fn results(declared: &[TaskResult], at: At<'_>, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (index, result) in declared.iter().enumerate() {
        let at = at.index(index);
        if !is_result_name(&result.name) {
            problems.add(
                Problem::error(at.key("name"), format!("{:?} cannot be a result's name", result.name))
                    .expected("letters, digits, and inner dashes, dots and underscores"),
            );
        } else if !seen.insert(&result.name) {
            problems.add(Problem::error(
                at.key("name"),
                format!("result {:?} is declared twice", result.name),
            ));
        }
        if result.effective_type() == ParamType::Object && result.properties.is_empty() {
            problems.add(Problem::error(at.key("properties"), "is missing").expected("the keys of the object"));
        }
        if let Some(value) = &result.value {
            lifted(value, at.key("value"), problems);
        }
    }
}

/// A task's result may take a step's, and nothing else.
fn lifted(value: &ParamValue, at: At<'_>, problems: &mut Problems) {
    let text = value.as_str().unwrap_or_default();
    let is_step_result =
        whole(text).is_some_and(|reference| matches!(reference.as_strs().as_slice(), ["steps", _, "results", _, ..]));
    if !is_step_result {
        problems.add(
            Problem::error(at, "not a step's result").expected("$(steps.<step>.results.<result>), or no value at all"),
        );
    }
}
