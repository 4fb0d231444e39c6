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
        Ok(admitted) => Ok(Admitted {
            object: admitted.object,
            warnings: admitted.warnings.iter().map(ToString::to_string).collect(),
        }),
        Err(rejected) => Err(Error::Invalid {
            group: names.group,
            kind: names.kind,
            name: names.name,
            causes: rejected
                .problems
                .into_iter()
                .filter(Problem::is_error)
                .map(cause)
                .collect(),
        }),
    }
}

/// What an error about an object calls it.
struct Names {
    group: String,
    kind: String,
    name: String,
}

impl Names {
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
