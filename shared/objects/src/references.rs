//! Warnings for references that lead nowhere.

use std::collections::BTreeSet;

use tidemill_resources::lookup::{self, Lookup};
use tidemill_resources::names::DEFAULT_NAMESPACE;
use tidemill_resources::{Kind, Object};

use crate::inner::Inner;

/// What the author of `object` should know about what it refers to, as the index has it.
pub(crate) fn warnings(inner: &Inner, object: &Object) -> Vec<String> {
    let problems = lookup::dangling(object, DEFAULT_NAMESPACE, &Known(inner));
    problems.iter().map(ToString::to_string).collect()
}

/// The objects of the index.
struct Known<'a>(&'a Inner);

impl Lookup for Known<'_> {
    fn names(&self, kind: &str, namespace: &str) -> Option<BTreeSet<String>> {
        let known = Kind::all().iter().find(|known| known.kind == kind)?;
        // Where the core kinds are the cluster's, nothing is known about them here.
        if known.group.is_empty() && !self.0.options.own_namespaces {
            return None;
        }
        let names = self.0.index().names(known.group, known.plural, namespace);
        Some(names.into_iter().collect())
    }
}
