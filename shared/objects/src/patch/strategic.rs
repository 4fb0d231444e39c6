//! Strategic merge: a merge patch in which some lists are merged by a key of their items.
//!
//! Kubernetes' core kinds have it. The keys below are those of the lists that core kinds served here have;
//! every other list is replaced as a whole.

use serde_json::{Map, Value};

use crate::Error;

/// Fields that hold lists of objects, and the key that tells one item from another.
const KEYED: &[(&str, &str)] = &[
    ("ownerReferences", "uid"),
    ("secrets", "name"),
    ("imagePullSecrets", "name"),
    ("conditions", "type"),
];
/// Fields that hold sets of texts.
const SETS: &[&str] = &["finalizers"];

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const REMOVED: &str = "$deleteFromPrimitiveList/";
/// Deepest nesting of a patch; JSON from outside is no deeper.
const MAX_DEPTH: usize = 128;

/// Applies `patch` to `target`.
///
/// # Errors
/// [`Error::BadRequest`] for a directive that is not known, or items without their key.
pub(super) fn apply(target: &mut Value, patch: &Value) -> Result<(), Error> {
    let Value::Object(changes) = patch else {
        return Err(Error::bad_request("a strategic merge patch must be an object"));
    };
    merge(target, changes, 0)
}

fn merge(target: &mut Value, changes: &Map<String, Value>, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::bad_request(format!(
            "the patch is nested deeper than {MAX_DEPTH}"
        )));
    }
    match changes.get(DIRECTIVE).map(Value::as_str) {
        None | Some(Some("merge")) => {}
        Some(Some("replace")) => {
            let kept = changes.iter().filter(|(name, _)| *name != DIRECTIVE);
            *target = Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect());
            return Ok(());
        }
        Some(Some("delete")) => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        Some(other) => {
            let other = other.unwrap_or("what is no text");
            return Err(Error::bad_request(format!(
                "$patch: {other}: expected merge, replace or delete"
            )));
        }
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else {
        return Ok(());
    };
    for (name, change) in changes {
        if let Some(list) = name.strip_prefix(REMOVED) {
            remove(fields, list, change);
        } else if name == RETAIN {
            let kept: Vec<&str> = change
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            fields.retain(|field, _| kept.contains(&field.as_str()));
        } else if name.starts_with('$') {
            // Orders are not promised; the directive of this object was followed above.
            if !name.starts_with(ORDER) && name != DIRECTIVE {
                return Err(Error::bad_request(format!(
                    "{name} is no directive of a strategic merge patch"
                )));
            }
        } else if change.is_null() {
            fields.remove(name);
        } else {
            field(fields.entry(name.clone()).or_insert(Value::Null), name, change, depth)?;
        }
    }
    Ok(())
}

fn field(target: &mut Value, name: &str, change: &Value, depth: usize) -> Result<(), Error> {
    let key = KEYED.iter().find(|(field, _)| *field == name).map(|(_, key)| *key);
    match change {
        Value::Object(changes) => merge(target, changes, depth + 1),
        Value::Array(items) => match (key, target.as_array_mut()) {
            (Some(key), Some(list)) => keyed(list, name, key, items, depth),
            (Some(key), None) => {
                let mut list = Vec::new();
                keyed(&mut list, name, key, items, depth)?;
                *target = Value::Array(list);
                Ok(())
            }
            (None, Some(list)) if SETS.contains(&name) => {
                for item in items.iter().filter(|item| item.is_string()) {
                    if !list.contains(item) {
                        list.push(item.clone());
                    }
                }
                Ok(())
            }
            _ => {
                *target = change.clone();
                Ok(())
            }
        },
        _ => {
            *target = change.clone();
            Ok(())
        }
    }
}

/// Merges items into a list by their key.
fn keyed(list: &mut Vec<Value>, name: &str, key: &str, items: &[Value], depth: usize) -> Result<(), Error> {
    for item in items {
        let Value::Object(changes) = item else {
            return Err(Error::bad_request(format!(
                "{name}: expected objects with the key {key}"
            )));
        };
        let directive = changes.get(DIRECTIVE).and_then(Value::as_str);
        let Some(wanted) = changes.get(key) else {
            if directive == Some("replace") {
                list.clear();
                continue;
            }
            return Err(Error::bad_request(format!("{name}: an item lacks its key {key}")));
        };
        let place = list.iter().position(|known| known.get(key) == Some(wanted));
        match (place, directive) {
            (Some(place), Some("delete")) => drop(list.remove(place)),
            (None, Some("delete")) => {}
            (Some(place), _) => merge(&mut list[place], changes, depth + 1)?,
            (None, _) => {
                let mut fresh = Value::Null;
                merge(&mut fresh, changes, depth + 1)?;
                list.push(fresh);
            }
        }
    }
    Ok(())
}

fn remove(fields: &mut Map<String, Value>, name: &str, gone: &Value) {
    let gone = gone.as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(list) = fields.get_mut(name).and_then(Value::as_array_mut) {
        list.retain(|item| !gone.contains(item));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_with_a_key_are_merged() {
        for (target, patch, expected) in [
            (
                json!({"secrets": [{"name": "a"}]}),
                json!({"$setElementOrder/secrets": [{"name": "b"}], "secrets": [{"name": "b"}]}),
                json!({"secrets": [{"name": "a"}, {"name": "b"}]}),
            ),
            (
                json!({"secrets": [{"name": "a"}, {"name": "b"}]}),
                json!({"secrets": [{"$patch": "delete", "name": "a"}]}),
                json!({"secrets": [{"name": "b"}]}),
            ),
            (
                json!({"secrets": [{"name": "a"}]}),
                json!({"secrets": [{"$patch": "replace"}, {"name": "c"}]}),
                json!({"secrets": [{"name": "c"}]}),
            ),
            (
                json!({"metadata": {"finalizers": ["x/a", "x/b"]}}),
                json!({"metadata": {"finalizers": ["x/c"], "$deleteFromPrimitiveList/finalizers": ["x/a"]}}),
                json!({"metadata": {"finalizers": ["x/b", "x/c"]}}),
            ),
            (json!({"rules": [1, 2]}), json!({"rules": [3]}), json!({"rules": [3]})),
            (
                json!({"data": {"a": "1", "b": "2"}}),
                json!({"data": {"a": null, "c": "3"}}),
                json!({"data": {"b": "2", "c": "3"}}),
            ),
            (
                json!({"data": {"a": "1"}}),
                json!({"data": {"$patch": "replace", "c": "3"}}),
                json!({"data": {"c": "3"}}),
            ),
            (
                json!({"spec": {"a": 1, "b": 2}}),
                json!({"spec": {"$retainKeys": ["b"], "b": 3}}),
                json!({"spec": {"b": 3}}),
            ),
            (
                json!({}),
                json!({"conditions": [{"type": "x"}]}),
                json!({"conditions": [{"type": "x"}]}),
            ),
        ] {
            let mut value = target.clone();
            apply(&mut value, &patch).unwrap();
            assert_eq!(value, expected, "{target} {patch}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for patch in [
            json!([1]),
            json!({"$patch": "grow"}),
            json!({"$patch": 7}),
            json!({"$odd": 1}),
            json!({"secrets": [1]}),
            json!({"secrets": [{"value": 1}]}),
        ] {
            assert_eq!(apply(&mut json!({}), &patch).unwrap_err().code(), 400, "{patch}");
        }
    }
}
