//! Patches: RFC 7386 (merge), RFC 6902 (operations) and Kubernetes' strategic merge.

mod operation;
mod strategic;

pub use operation::Operation;

use serde_json::Value;

use crate::Error;

/// Most operations in one patch, as in Kubernetes.
pub const MAX_OPERATIONS: usize = 10_000;

/// A change to apply to an object as JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Patch {
    /// `application/merge-patch+json`.
    Merge(Value),
    /// `application/strategic-merge-patch+json`, for core kinds.
    Strategic(Value),
    /// `application/json-patch+json`.
    Operations(Vec<Operation>),
}

impl Patch {
    /// Reads a list of operations.
    ///
    /// # Errors
    /// [`Error::BadRequest`] when it is none or has more than [`MAX_OPERATIONS`].
    pub fn operations(value: Value) -> Result<Self, Error> {
        let operations: Vec<Operation> = serde_json::from_value(value)
            .map_err(|error| Error::bad_request(format!("the JSON patch cannot be read: {error}")))?;
        if operations.len() > MAX_OPERATIONS {
            return Err(Error::bad_request(format!(
                "the JSON patch has {} operations; the limit is {MAX_OPERATIONS}",
                operations.len()
            )));
        }
        Ok(Self::Operations(operations))
    }

    pub(crate) fn apply(&self, value: &mut Value) -> Result<(), Error> {
        match self {
            Self::Merge(patch) if patch.is_object() => {
                merge(value, patch);
                Ok(())
            }
            Self::Merge(_) => Err(Error::bad_request("a merge patch must be an object")),
            Self::Strategic(patch) => strategic::apply(value, patch),
            Self::Operations(operations) => operations.iter().try_for_each(|operation| operation.apply(value)),
        }
    }
}

/// RFC 7386: objects are merged, `null` removes, everything else replaces.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.as_str()).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merge_patches_merge() {
        for (target, patch, expected) in [
            (
                json!({"a": 1, "b": {"c": 2}}),
                json!({"b": {"d": 3}}),
                json!({"a": 1, "b": {"c": 2, "d": 3}}),
            ),
            (json!({"a": 1}), json!({"a": null, "b": null}), json!({})),
            (json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
            (
                json!({"a": 1}),
                json!({"a": {"b": {"c": null, "d": 1}}}),
                json!({"a": {"b": {"d": 1}}}),
            ),
        ] {
            let mut value = target.clone();
            Patch::Merge(patch).apply(&mut value).unwrap();
            assert_eq!(value, expected, "{target}");
        }
        assert_eq!(Patch::Merge(json!([1])).apply(&mut json!({})).unwrap_err().code(), 400);
    }

    #[test]
    fn operations_are_counted() {
        let many = vec![json!({"op": "test", "path": "/a", "value": 1}); MAX_OPERATIONS + 1];
        assert_eq!(Patch::operations(Value::Array(many)).unwrap_err().code(), 400);
        assert_eq!(
            Patch::operations(json!([{"op": "grow", "path": "/a"}]))
                .unwrap_err()
                .code(),
            400
        );
    }
}
