//! The one way in: what is stored has passed here.

mod core;
mod understood;

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, ServiceAccount};
use serde_json::{Map, Value};

use crate::convert::{self, Conversion};
use crate::decode::decode;
use crate::kind::Kind;
use crate::meta::ObjectMeta;
use crate::object::{Object, Pipeline, PipelineRun, StepAction, Task, TaskRun};
use crate::path::At;
use crate::problem::{Problem, Problems, one_of};
use crate::similar::nearest;
use crate::validate;
use understood::Understood;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Operation<'a> {
    /// A new object.
    Create,
    /// New content for an object; `old` is what is stored.
    Update {
        /// The object as it is stored.
        old: &'a Object,
    },
}

/// An object fit to be stored: in its stored version, defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    /// The object.
    pub object: Object,
    /// What its author should know.
    pub warnings: Vec<Problem>,
    /// Where its fields came from, if its author wrote another version.
    pub conversion: Conversion,
}

/// An object that is refused, with everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", summary(.problems))]
pub struct Rejected {
    /// At least one error, and the warnings.
    pub problems: Vec<Problem>,
}

/// Decodes, converts, fills in and checks an object.
///
/// Guarantees: the same value always gives the same answer; an admitted object
/// admitted again is unchanged. Unknown fields are dropped with a warning, or
/// refused when `strict`. Kinds that are only stored (triggers, RBAC and so on)
/// keep every field.
///
/// # Errors
/// All problems together, at most [`crate::problem::MAX_PROBLEMS`].
pub fn admit(mut value: Value, operation: Operation<'_>, strict: bool) -> Result<Admitted, Rejected> {
    let mut problems = Problems::default();
    let mut conversion = Conversion::default();
    let object = known(&value, &mut problems).and_then(|kind| {
        conversion = convert::to_v1(&mut value, &mut problems);
        let mut inner = Problems::default();
        let object = Read {
            kind,
            operation,
            strict,
        }
        .object(value, &mut inner);
        // Problems found after conversion are told with the paths before it.
        inner.rewrite(|problem| problem.path = conversion.original(&problem.path));
        problems.absorb(inner);
        object
    });
    match object {
        Some(object) if !problems.has_errors() => Ok(Admitted {
            object,
            warnings: problems.into_vec(),
            conversion,
        }),
        _ => Err(Rejected {
            problems: problems.into_vec(),
        }),
    }
}

/// The kind of an object, or the problem that it has none.
fn known(value: &Value, problems: &mut Problems) -> Option<&'static Kind> {
    let Some(fields) = value.as_object() else {
        problems.add(Problem::error(At::ROOT, "not an object").expected("apiVersion, kind, metadata"));
        return None;
    };
    let api_version = text(fields, "apiVersion", problems)?;
    let kind = text(fields, "kind", problems)?;
    let known = Kind::of(api_version, kind);
    if known.is_none() {
        problems.add(unknown_kind(api_version, kind));
    }
    known
}

fn text<'a>(fields: &'a Map<String, Value>, field: &str, problems: &mut Problems) -> Option<&'a str> {
    let text = fields
        .get(field)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty());
    if text.is_none() {
        problems.add(Problem::error(At::ROOT.key(field), "is missing").expected("a string"));
    }
    text
}

fn unknown_kind(api_version: &str, kind: &str) -> Problem {
    let versions: Vec<String> = Kind::all()
        .iter()
        .filter(|known| known.kind == kind)
        .flat_map(|known| {
            known
                .versions
                .iter()
                .map(|version| crate::kind::join_api_version(known.group, version))
        })
        .collect();
    if !versions.is_empty() {
        let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
        return Problem::error(
            At::ROOT.key("apiVersion"),
            format!("there is no {kind} in {api_version:?}"),
        )
        .expected(one_of(&versions));
    }
    let problem = Problem::error(At::ROOT.key("kind"), format!("{kind:?} is not a known kind"));
    match nearest(kind, Kind::all().iter().map(|known| known.kind)) {
        Some(near) => problem.hint(format!("did you mean {near}?")),
        None => problem,
    }
}

struct Read<'a> {
    kind: &'static Kind,
    operation: Operation<'a>,
    strict: bool,
}

impl Read<'_> {
    fn object(&self, value: Value, problems: &mut Problems) -> Option<Object> {
        match (self.kind.group, self.kind.kind) {
            ("tekton.dev", "Task") => self.typed::<Task>(&value, problems),
            ("tekton.dev", "Pipeline") => self.typed::<Pipeline>(&value, problems),
            ("tekton.dev", "TaskRun") => self.typed::<TaskRun>(&value, problems),
            ("tekton.dev", "PipelineRun") => self.typed::<PipelineRun>(&value, problems),
            ("tekton.dev", "StepAction") => self.typed::<StepAction>(&value, problems),
            ("", "Secret") => self.secret(&value, problems),
            ("", "ConfigMap") => self.typed::<ConfigMap>(&value, problems),
            ("", "ServiceAccount") => self.typed::<ServiceAccount>(&value, problems),
            ("", "PersistentVolumeClaim") => self.typed::<PersistentVolumeClaim>(&value, problems),
            _ => self.kept(value, problems),
        }
    }

    /// An object of a kind that is understood.
    fn typed<T: Understood>(&self, value: &Value, problems: &mut Problems) -> Option<Object> {
        let mut typed: T = decode(value, self.strict, problems)?;
        typed.fill();
        let object: Object = serde_json::to_value(&typed).and_then(serde_json::from_value).ok()?;
        validate::metadata(self.kind, &object.metadata, problems);
        typed.check(problems);
        if let Operation::Update { old } = self.operation {
            validate::same_object(old, &object, problems);
            if let Ok(old) = serde_json::from_value::<T>(old.to_value()) {
                typed.check_update(&old, problems);
            }
        }
        Some(object)
    }

    /// A Secret: what is wrong is told without what it holds.
    fn secret(&self, value: &Value, problems: &mut Problems) -> Option<Object> {
        let mut inner = Problems::default();
        let object = self.typed::<Secret>(value, &mut inner);
        inner.rewrite(core::without_value);
        problems.absorb(inner);
        object
    }

    /// An object of a kind that is only stored: metadata is checked, the rest stays.
    fn kept(&self, mut value: Value, problems: &mut Problems) -> Option<Object> {
        let fields = value.as_object_mut()?;
        let at = At::ROOT.key("metadata");
        let metadata = fields.remove("metadata").unwrap_or_else(|| Value::Object(Map::new()));
        let mut inner = Problems::default();
        let metadata: Option<ObjectMeta> = decode(&metadata, self.strict, &mut inner);
        for mut problem in inner.into_vec() {
            let segments = [at.path().segments(), problem.path.segments()].concat();
            problem.path = segments.into();
            problems.add(problem);
        }
        let mut object = Object {
            metadata: metadata?,
            ..Object::default()
        };
        for (field, text) in [("apiVersion", &mut object.api_version), ("kind", &mut object.kind)] {
            if let Some(Value::String(value)) = fields.remove(field) {
                *text = value;
            }
        }
        object.rest = std::mem::take(fields);
        validate::metadata(self.kind, &object.metadata, problems);
        if let Operation::Update { old } = self.operation {
            validate::same_object(old, &object, problems);
        }
        Some(object)
    }
}

fn summary(problems: &[Problem]) -> String {
    let mut errors = problems.iter().filter(|problem| problem.is_error());
    let first = errors.next().map(ToString::to_string).unwrap_or_default();
    match errors.count() {
        0 => first,
        more => format!("{first}; and {more} more"),
    }
}

#[cfg(test)]
mod tests;
