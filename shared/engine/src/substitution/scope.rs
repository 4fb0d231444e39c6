//! Which variables are known where.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use tidemill_resources::ParamValue;

use super::pick::split;
use super::{Lookup, OutOfRange, Picked, pick};

/// Variables of a place: fixed texts, parameters, and those of the place around it, which its own
/// hide.
#[derive(Default)]
pub(crate) struct Scope<'a> {
    /// Texts by full name in dotted notation: contexts, paths.
    pub(crate) texts: HashMap<String, Cow<'a, str>>,
    /// Parameters by name.
    pub(crate) params: Cow<'a, BTreeMap<String, ParamValue>>,
    /// Asked for what is not known here.
    pub(crate) outer: Vec<&'a dyn Lookup>,
}

impl<'a> Scope<'a> {
    /// A scope of parameters alone.
    pub(crate) fn of_params(params: &'a BTreeMap<String, ParamValue>) -> Self {
        Self {
            params: Cow::Borrowed(params),
            ..Self::default()
        }
    }

    /// Adds a fixed text.
    pub(crate) fn text(&mut self, name: impl Into<String>, value: impl Into<Cow<'a, str>>) {
        self.texts.insert(name.into(), value.into());
    }

    fn hides(&self, rest: &str) -> bool {
        let Some((name, tail)) = split(rest) else { return false };
        self.params.contains_key(name)
            || tail.is_empty()
                && name
                    .rsplit_once('.')
                    .is_some_and(|(name, _)| self.params.contains_key(name))
    }
}

/// What follows `params` or the older `inputs.params`.
pub(crate) fn param_rest(name: &str) -> Option<&str> {
    let rest = name
        .strip_prefix("params")
        .or_else(|| name.strip_prefix("inputs.params"))?;
    rest.starts_with(['.', '[']).then_some(rest)
}

impl Lookup for Scope<'_> {
    fn find(&self, name: &str) -> Result<Option<Picked<'_>>, OutOfRange> {
        if let Some(rest) = param_rest(name) {
            let found = pick(name, rest, |name| self.params.get(name))?;
            if found.is_some() || self.hides(rest) {
                return Ok(found);
            }
        } else if let Some(text) = self.texts.get(dotted(name).as_ref()) {
            return Ok(Some(Picked::Text(Cow::Borrowed(text))));
        }
        for outer in &self.outer {
            if let Some(found) = outer.find(name)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// `results['x'].path` as `results.x.path`.
fn dotted(name: &str) -> Cow<'_, str> {
    if !name.contains('[') {
        return Cow::Borrowed(name);
    }
    let plain = name.replace("['", ".").replace("[\"", ".");
    Cow::Owned(plain.replace("']", "").replace("\"]", ""))
}
