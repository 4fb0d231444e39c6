//! Parameters: declarations meet values.

use std::collections::BTreeMap;

use tidemill_resources::{Param, ParamSpec, ParamType, ParamValue};

use crate::refusal::Refusal;
use crate::substitution::{self, Lookup, OutOfRange, Picked, pick, walk};

/// Longest chain of defaults that use other parameters.
const DEFAULT_DEPTH_MAX: usize = 10;

/// Values by name.
pub(crate) type Values = BTreeMap<String, ParamValue>;

/// The given values as a map; of two with one name the last counts.
pub(crate) fn given(params: &[Param]) -> Values {
    params
        .iter()
        .map(|param| (param.name.clone(), param.value.clone()))
        .collect()
}

/// Every declared parameter with the given value, merged with the default's keys if it is an object,
/// or the default; and all other given values.
///
/// # Errors
/// `ParameterMissing`, `ParameterTypeMismatch`, `InvalidParamValue`, `ObjectParameterMissKeys`.
pub(crate) fn effective(declared: &[ParamSpec], values: Values) -> Result<Values, Refusal> {
    let lacking = |spec: &&ParamSpec| spec.default.is_none() && !values.contains_key(&spec.name);
    let names: Vec<&str> = declared.iter().filter(lacking).map(|spec| spec.name.as_str()).collect();
    if !names.is_empty() {
        let message = format!(
            "missing values for these params which have no default values: [{}]",
            names.join(" ")
        );
        return Err(Refusal::new("ParameterMissing", message));
    }
    for spec in declared {
        if let Some(value) = values.get(&spec.name) {
            check(spec, value)?;
        }
    }
    let mut defaults = Defaults {
        declared,
        values,
        done: BTreeMap::new(),
        open: Vec::new(),
    };
    for spec in declared {
        defaults.resolve(spec)?;
    }
    let Defaults { mut values, done, .. } = defaults;
    values.extend(done.into_iter().map(|(name, (value, _))| (name, value)));
    declared
        .iter()
        .try_for_each(|spec| has_keys(spec, values.get(&spec.name)))?;
    Ok(values)
}

fn check(spec: &ParamSpec, value: &ParamValue) -> Result<(), Refusal> {
    let expected = spec.effective_type();
    if value.kind() != expected {
        let message = format!(
            "param {:?} must be of type {expected}, but is of type {}",
            spec.name,
            value.kind()
        );
        return Err(Refusal::new("ParameterTypeMismatch", message));
    }
    match value {
        ParamValue::String(text) if !spec.allowed.is_empty() && !spec.allowed.contains(text) => {
            let message = format!(
                "param {:?} is {text:?}, but must be one of [{}]",
                spec.name,
                spec.allowed.join(" ")
            );
            Err(Refusal::new("InvalidParamValue", message))
        }
        _ => Ok(()),
    }
}

fn has_keys(spec: &ParamSpec, value: Option<&ParamValue>) -> Result<(), Refusal> {
    let Some(ParamValue::Object(entries)) = value else {
        return Ok(());
    };
    let lacking: Vec<&str> = spec
        .properties
        .keys()
        .filter(|key| !entries.contains_key(*key))
        .map(String::as_str)
        .collect();
    if lacking.is_empty() || spec.effective_type() != ParamType::Object {
        return Ok(());
    }
    let message = format!("missing keys of object param {:?}: [{}]", spec.name, lacking.join(" "));
    Err(Refusal::new("ObjectParameterMissKeys", message))
}

/// Defaults may use other parameters: each is resolved once, after those it uses.
struct Defaults<'a> {
    declared: &'a [ParamSpec],
    values: Values,
    /// What defaults came to, and how long the chain behind each is.
    done: BTreeMap<String, (ParamValue, usize)>,
    /// Parameters whose defaults are being resolved.
    open: Vec<&'a str>,
}

impl<'a> Defaults<'a> {
    /// Resolves the default where it counts: for an absent value, or for absent keys of an object.
    fn resolve(&mut self, spec: &'a ParamSpec) -> Result<usize, Refusal> {
        let given = self.values.get(&spec.name);
        let default = match (given, &spec.default) {
            (_, None) | (Some(ParamValue::String(_) | ParamValue::Array(_)), _) => return Ok(0),
            (_, Some(default)) => default,
        };
        if let Some((_, depth)) = self.done.get(&spec.name) {
            return Ok(*depth);
        }
        if self.open.contains(&spec.name.as_str()) {
            let message = format!("the default of param {:?} depends on itself", spec.name);
            return Err(Refusal::new("InvalidParamValue", message));
        }
        let given = given.cloned();
        self.open.push(&spec.name);
        let depth = self.resolve_used(spec, default)?;
        self.open.pop();
        let mut value = default.clone();
        substitution::value(&mut value, &*self)?;
        if let (ParamValue::Object(entries), Some(ParamValue::Object(given))) = (&mut value, given) {
            entries.extend(given);
        }
        self.done.insert(spec.name.clone(), (value, depth));
        Ok(depth)
    }

    /// Resolves the parameters a default uses; gives the length of the chain.
    fn resolve_used(&mut self, spec: &ParamSpec, default: &ParamValue) -> Result<usize, Refusal> {
        let mut names = Vec::new();
        let Ok(()) = walk::gathering(&mut names)(walk::Slot::Value(&mut default.clone()));
        let mut depth = 0;
        let declared = self.declared;
        for other in declared
            .iter()
            .filter(|other| names.iter().any(|name| uses(name, &other.name)))
        {
            depth = depth.max(self.resolve(other)? + 1);
        }
        if depth > DEFAULT_DEPTH_MAX {
            let message = format!(
                "the default of param {:?} stands at the end of a chain of more than {DEFAULT_DEPTH_MAX}",
                spec.name
            );
            return Err(Refusal::new("InvalidParamValue", message));
        }
        Ok(depth)
    }
}

impl Lookup for Defaults<'_> {
    fn find(&self, name: &str) -> Result<Option<Picked<'_>>, OutOfRange> {
        let Some(rest) = substitution::param_rest(name) else {
            return Ok(None);
        };
        pick(name, rest, |name| {
            self.done
                .get(name)
                .map(|(value, _)| value)
                .or_else(|| self.values.get(name))
        })
    }
}

/// Whether a variable reads a parameter.
fn uses(variable: &str, param: &str) -> bool {
    let Some(rest) = substitution::param_rest(variable) else {
        return false;
    };
    let found = std::cell::Cell::new(false);
    // Only whether the name is asked for counts, not what would be found.
    let known = pick(variable, rest, |name| {
        found.set(found.get() || name == param);
        None
    });
    matches!(known, Ok(None)) && found.get()
}

#[cfg(test)]
mod tests;
