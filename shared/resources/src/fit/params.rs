//! Parameters that are given against those that are declared.

use std::collections::BTreeSet;

use crate::param::{Param, ParamSpec, ParamType, ParamValue};
use crate::path::At;
use crate::problem::{Problem, Problems, one_of};
use crate::reference::{find, whole};

/// Warns of parameters that are missing, of another type or not among the allowed values.
///
/// `called` is what declares them, in words; `fanned` are names that a matrix
/// gives. More parameters than are declared are allowed.
pub fn params(
    called: &str,
    declared: &[ParamSpec],
    given: &[Param],
    fanned: &[&str],
    at: At<'_>,
    problems: &mut Problems,
) {
    for spec in declared {
        match given.iter().position(|param| param.name == spec.name) {
            Some(index) => value(spec, &given[index].value, at.index(index).key("value"), problems),
            None if fanned.contains(&spec.name.as_str()) || spec.default.is_some() => {}
            None => {
                let names = given.iter().map(|param| param.name.as_str());
                let problem = Problem::warning(at, format!("{called} needs the parameter {:?}", spec.name));
                problems.add_near(problem, &spec.name, names, None);
            }
        }
    }
}

fn value(spec: &ParamSpec, given: &ParamValue, at: At<'_>, problems: &mut Problems) {
    let kind = spec.effective_type();
    if given.as_str().is_some_and(|text| whole(text).is_some()) {
        return;
    }
    if given.kind() != kind {
        problems.add(
            Problem::warning(at, format!("a value of type {}", given.kind()))
                .expected(format!("type {kind}, as {:?} is declared", spec.name)),
        );
        return;
    }
    match given {
        ParamValue::String(text)
            if !spec.allowed.is_empty() && find(text).is_empty() && !spec.allowed.contains(text) =>
        {
            let allowed: Vec<&str> = spec.allowed.iter().map(String::as_str).collect();
            problems.add(Problem::warning(at, format!("{text:?} is not allowed")).expected(one_of(&allowed)));
        }
        ParamValue::Object(entries) if kind == ParamType::Object => {
            let by_default: BTreeSet<&String> = match &spec.default {
                Some(ParamValue::Object(defaults)) => defaults.keys().collect(),
                _ => BTreeSet::new(),
            };
            let is_missing = |key: &&String| !entries.contains_key(*key) && !by_default.contains(key);
            for key in spec.properties.keys().filter(is_missing) {
                problems.add(Problem::warning(at, format!("the key {key:?} is missing")));
            }
        }
        _ => {}
    }
}
