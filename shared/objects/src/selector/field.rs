//! Field selectors: `metadata.name=a,status.phase!=Running`.

use serde_json::Value;
use tidemill_resources::Object;

use crate::Error;

/// Fields of the body that may be selected, by resource, as in Kubernetes.
const FIELDS: &[(&str, &[&str])] = &[
    ("secrets", &["type"]),
    ("namespaces", &["status.phase"]),
    (
        "pods",
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
        ],
    ),
    (
        "events",
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
    ),
];

/// Requirements on fields that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    path: String,
    equal: bool,
    value: String,
}

impl FieldSelector {
    /// Reads Kubernetes' notation.
    ///
    /// # Errors
    /// [`Error::BadRequest`] when it cannot be read, or for a field the resource cannot be selected by.
    pub fn parse(text: &str, group: &str, resource: &str) -> Result<Self, Error> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts
            .map(|part| {
                let requirement = requirement(part).ok_or_else(|| {
                    Error::bad_request(format!(
                        "invalid field selector {part:?}: expected path=value or path!=value"
                    ))
                })?;
                if !selectable(group, resource, &requirement.path) {
                    return Err(Error::bad_request(format!(
                        "field label not supported: {} (of {resource})",
                        requirement.path
                    )));
                }
                Ok(requirement)
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Only the object of this name.
    pub fn name(name: &str) -> Self {
        Self(vec![Requirement {
            path: "metadata.name".to_owned(),
            equal: true,
            value: name.to_owned(),
        }])
    }

    /// The value a field must have, if one is asked for.
    pub fn required(&self, path: &str) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|requirement| requirement.path == path && requirement.equal);
        found.map(|requirement| requirement.value.as_str())
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `object` is selected.
    pub fn matches(&self, object: &Object) -> bool {
        self.matches_key(object.namespace(), object.name())
            && self
                .of_body()
                .all(|requirement| requirement.holds(&text_at(object, &requirement.path)))
    }

    pub(crate) fn matches_key(&self, namespace: &str, name: &str) -> bool {
        self.0.iter().all(|requirement| match requirement.path.as_str() {
            "metadata.name" => requirement.holds(name),
            "metadata.namespace" => requirement.holds(namespace),
            _ => true,
        })
    }

    /// Whether the body must be read to decide.
    pub(crate) fn needs_body(&self) -> bool {
        self.of_body().next().is_some()
    }

    fn of_body(&self) -> impl Iterator<Item = &Requirement> {
        self.0
            .iter()
            .filter(|requirement| !requirement.path.starts_with("metadata."))
    }
}

impl Requirement {
    fn holds(&self, found: &str) -> bool {
        (found == self.value) == self.equal
    }
}

fn requirement(part: &str) -> Option<Requirement> {
    let (path, value, equal) = if let Some((path, value)) = part.split_once("!=") {
        (path, value, false)
    } else {
        let (path, value) = part.split_once("==").or_else(|| part.split_once('='))?;
        (path, value, true)
    };
    let (path, value) = (path.trim().to_owned(), value.trim().to_owned());
    (!path.is_empty()).then_some(Requirement { path, equal, value })
}

fn selectable(group: &str, resource: &str, path: &str) -> bool {
    let of_kind = FIELDS.iter().find(|(known, _)| group.is_empty() && *known == resource);
    matches!(path, "metadata.name" | "metadata.namespace") || of_kind.is_some_and(|(_, fields)| fields.contains(&path))
}

/// A missing field is the empty text, as in Kubernetes.
fn text_at(object: &Object, path: &str) -> String {
    let mut parts = path.split('.');
    let mut value = parts.next().and_then(|first| object.rest.get(first));
    for part in parts {
        value = value.and_then(|inner| inner.get(part));
    }
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_select() {
        let pod: Object = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "n"},
            "status": {"phase": "Running"},
        }))
        .unwrap();
        for (text, expected) in [
            ("", true),
            ("metadata.name=a", true),
            ("metadata.name==a,metadata.namespace=n", true),
            ("metadata.name!=a", false),
            ("status.phase=Running", true),
            ("status.phase!=Running", false),
            ("spec.nodeName=", true),
        ] {
            let selector = FieldSelector::parse(text, "", "pods").unwrap();
            assert_eq!(selector.matches(&pod), expected, "{text}");
        }
    }

    #[test]
    fn other_fields_are_refused() {
        for (text, resource) in [("status.phase=x", "tasks"), ("metadata.name", "pods"), ("=a", "pods")] {
            assert_eq!(
                FieldSelector::parse(text, "", resource).unwrap_err().code(),
                400,
                "{text}"
            );
        }
        assert!(FieldSelector::parse("status.phase=x", "tekton.dev", "pods").is_err());
    }
}
