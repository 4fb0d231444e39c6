//! Admission of what users write, as an error of the objects.

use serde_json::Value;
use tidemill_resources::admission::{self, Operation};
use tidemill_resources::problem::Problem;
use tidemill_resources::{Object, kind};

use crate::{Cause, Error};

/// An admitted object and what its author should know.
pub(crate) struct Admitted {
    pub(crate) object: Object,
    pub(crate) warnings: Vec<String>,
}

/// Decodes, converts, fills in and checks `value`; with `old`, as new content of that object.
///
/// # Errors
/// [`Error::Invalid`] naming every fault, [`Error::BadRequest`] for what is no object of a known kind.
pub(crate) fn admit(value: Value, old: Option<&Object>, strict: bool) -> Result<Admitted, Error> {
    let names = Names::of(&value)?;
    let operation = old.map_or(Operation::Create, |old| Operation::Update { old });
    match admission::admit(value, operation, strict) {
        Ok(mut admitted) => {
            let of_triggers = triggers(&admitted.object, old);
            if of_triggers.iter().any(|problem| is_fault(problem, strict)) {
                return Err(names.invalid(of_triggers, strict));
            }
            admitted.warnings.extend(of_triggers);
            Ok(Admitted {
                object: admitted.object,
                warnings: admitted.warnings.iter().map(ToString::to_string).collect(),
            })
        }
        Err(rejected) => Err(names.invalid(rejected.problems, false)),
    }
}

/// What is wrong with a kind of triggers. What was stored before a rule was made may still be
/// labelled and deleted: only what is new in it is looked at.
fn triggers(object: &Object, old: Option<&Object>) -> Vec<Problem> {
    let is_same = |old: &Object| {
        old.rest.get("spec") == object.rest.get("spec") && old.metadata.annotations == object.metadata.annotations
    };
    match old {
        Some(old) if is_same(old) => Vec::new(),
        _ => tidemill_triggers::validate(object),
    }
}

/// Whether the object is refused for it; in strict mode warnings are about unknown fields.
fn is_fault(problem: &Problem, strict: bool) -> bool {
    strict || problem.is_error()
}

/// What an error about an object calls it.
struct Names {
    group: String,
    kind: String,
    name: String,
}

impl Names {
    fn invalid(self, problems: Vec<Problem>, strict: bool) -> Error {
        Error::Invalid {
            group: self.group,
            kind: self.kind,
            name: self.name,
            causes: problems
                .into_iter()
                .filter(|problem| is_fault(problem, strict))
                .map(cause)
                .collect(),
        }
    }

    fn of(value: &Value) -> Result<Self, Error> {
        let text = |path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (text("/apiVersion"), text("/kind"));
        if version.is_empty() || kind.is_empty() {
            return Err(Error::bad_request(
                "Object 'Kind' is missing: an object needs apiVersion, kind and metadata",
            ));
        }
        if tidemill_resources::Kind::of(version, kind).is_none() {
            return Err(Error::bad_request(format!(
                "no kind {kind:?} is known in version {version:?}"
            )));
        }
        let name = text("/metadata/name");
        Ok(Self {
            group: kind::split_api_version(version).0.to_owned(),
            kind: kind.to_owned(),
            name: if name.is_empty() {
                text("/metadata/generateName")
            } else {
                name
            }
            .to_owned(),
        })
    }
}

fn cause(problem: Problem) -> Cause {
    let field = problem.path.to_string();
    let message = Problem {
        path: tidemill_resources::path::Path::default(),
        ..problem
    };
    Cause {
        field,
        reason: "FieldValueInvalid",
        message: message.to_string(),
    }
}
