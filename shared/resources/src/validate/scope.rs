//! Which variables a text may use, and where lists may stand.

use std::collections::{BTreeMap, BTreeSet};

use crate::param::{ParamSpec, ParamType};
use crate::path::At;
use crate::problem::{Problem, Problems};
use crate::reference::{Reference, Selector, find, whole};

/// What a text may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Text only.
    Text,
    /// One element of a list: a list spreads into it.
    Element,
    /// The value of a parameter: may become a list or an object.
    Value,
}

/// The parameters a text may use.
pub(super) struct Scope<'a> {
    params: BTreeMap<&'a str, Declared<'a>>,
    open: bool,
}

struct Declared<'a> {
    kind: ParamType,
    keys: BTreeSet<&'a str>,
}

impl<'a> Scope<'a> {
    /// Only these parameters exist.
    pub(super) fn closed(declared: &'a [ParamSpec]) -> Self {
        Self::new(declared, false)
    }

    /// Others may reach the text from outside.
    pub(super) fn open(declared: &'a [ParamSpec]) -> Self {
        Self::new(declared, true)
    }

    fn new(declared: &'a [ParamSpec], open: bool) -> Self {
        let params = declared.iter().map(|param| {
            let keys = param.properties.keys().map(String::as_str).collect();
            (
                param.name.as_str(),
                Declared {
                    kind: param.effective_type(),
                    keys,
                },
            )
        });
        Self {
            params: params.collect(),
            open,
        }
    }

    /// Whether other parameters may reach the text from outside.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Checks every reference to a parameter in a text.
    pub(super) fn check(&self, text: &str, place: Place, at: At<'_>, problems: &mut Problems) {
        let alone = whole(text).is_some();
        for found in find(text) {
            if let Some(name) = found.reference.param() {
                self.check_param(name, &found.reference, place, alone, at, problems);
            }
        }
    }

    fn check_param(
        &self,
        name: &[String],
        reference: &Reference,
        place: Place,
        alone: bool,
        at: At<'_>,
        problems: &mut Problems,
    ) {
        let joined = name.join(".");
        let (declared, key) = match (self.params.get(joined.as_str()), name) {
            (Some(declared), _) => (declared, None),
            (None, [first, rest @ ..]) => match self.params.get(first.as_str()) {
                Some(declared) => (declared, Some(rest.join(".")).filter(|key| !key.is_empty())),
                None => return self.unknown(&joined, reference, at, problems),
            },
            (None, []) => return,
        };
        match (declared.kind, key) {
            (ParamType::String, _) => {}
            (ParamType::Array, _) => list(reference, place, alone, at, problems),
            (ParamType::Object, None) if place == Place::Value && alone => {}
            (ParamType::Object, None) => problems.add(
                Problem::error(at, format!("$({reference}) is an object")).expected(format!("$({reference}.<key>)")),
            ),
            (ParamType::Object, Some(key)) => object_key(declared, &key, reference, at, problems),
        }
    }

    fn unknown(&self, name: &str, reference: &Reference, at: At<'_>, problems: &mut Problems) {
        if self.open {
            return;
        }
        let problem = Problem::error(at, format!("$({reference}): no parameter {name:?} is declared"));
        problems.add_near(
            problem,
            name,
            self.params.keys().copied(),
            Some("declare it under params"),
        );
    }
}

fn list(reference: &Reference, place: Place, alone: bool, at: At<'_>, problems: &mut Problems) {
    let is_element = matches!(reference.selector, Selector::Index(_));
    if is_element || place != Place::Text && alone {
        return;
    }
    let expected = match place {
        Place::Text => "one element, as in [0]: no list can stand here",
        Place::Element | Place::Value => "nothing else beside a list, or one element, as in [0]",
    };
    problems.add(Problem::error(at, format!("$({reference}) is a list")).expected(expected));
}

fn object_key(declared: &Declared<'_>, key: &str, reference: &Reference, at: At<'_>, problems: &mut Problems) {
    if declared.keys.is_empty() || declared.keys.contains(key) {
        return;
    }
    let keys: Vec<&str> = declared.keys.iter().copied().collect();
    problems.add(
        Problem::error(at, format!("$({reference}): the object has no key {key:?}"))
            .expected(crate::problem::one_of(&keys)),
    );
}
