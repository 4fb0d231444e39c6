//! TriggerTemplate.

use std::collections::BTreeSet;

use serde_json::Value;
use tidemill_resources::path::At;
use tidemill_resources::similar::nearest;
use tidemill_resources::{Problem, Problems};

use super::trigger::twice;
use crate::kinds::TemplateSpec;
use crate::template::{OBJECTS_MAX, PARAM};

pub(super) fn check(spec: &TemplateSpec, at: At<'_>, problems: &mut Problems) {
    let params = at.key("params");
    for (index, param) in spec.params.iter().enumerate() {
        if !is_name(&param.name) {
            let at = params.index(index);
            problems.add(
                Problem::error(at.key("name"), format!("{:?} cannot be a parameter's name", param.name))
                    .expected("a letter or underscore, then letters, digits, dots, dashes and underscores"),
            );
        }
    }
    twice(spec.params.iter().map(|param| param.name.as_str()), params, problems);
    let objects = at.key("resourcetemplates");
    if spec.resourcetemplates.is_empty() {
        problems.add(Problem::error(objects, "is missing").expected("at least one object"));
    }
    if spec.resourcetemplates.len() > OBJECTS_MAX {
        problems.add(
            Problem::error(objects, format!("{} objects", spec.resourcetemplates.len()))
                .expected(format!("at most {OBJECTS_MAX}")),
        );
    }
    let declared: BTreeSet<&str> = spec.params.iter().map(|param| param.name.as_str()).collect();
    for (index, object) in spec.resourcetemplates.iter().enumerate() {
        let at = objects.index(index);
        for field in ["apiVersion", "kind"] {
            if object.get(field).and_then(Value::as_str).is_none_or(str::is_empty) {
                problems.add(Problem::error(at.key(field), "is missing"));
            }
        }
        undeclared(object, &declared, at, problems);
    }
}

/// Tells each parameter that is used but not declared, once for an object.
fn undeclared(object: &Value, declared: &BTreeSet<&str>, at: At<'_>, problems: &mut Problems) {
    let text = object.to_string();
    let used: BTreeSet<&str> = text
        .split(PARAM)
        .skip(1)
        .filter_map(|after| after.split_once(')').map(|(name, _)| name))
        .filter(|name| is_name(name) && !declared.contains(name))
        .collect();
    for name in used {
        let problem = Problem::error(at, format!("$(tt.params.{name}) is not declared in spec.params"));
        problems.add(match nearest(name, declared.iter().copied()) {
            Some(near) => problem.hint(format!("did you mean {near:?}?")),
            None => problem,
        });
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}
