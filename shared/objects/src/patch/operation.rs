//! One operation of a JSON patch.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Error;

/// An operation of RFC 6902. As kube-apiserver does, `replace` of a field that is absent adds it:
/// that is how `tkn` cancels a run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// Sets a field or inserts into a list.
    Add {
        /// JSON pointer.
        path: String,
        /// What to set.
        #[serde(default)]
        value: Value,
    },
    /// Removes what must be there.
    Remove {
        /// JSON pointer.
        path: String,
    },
    /// Sets a field, or an element that must be there.
    Replace {
        /// JSON pointer.
        path: String,
        /// What to set.
        #[serde(default)]
        value: Value,
    },
    /// Removes at one place and adds at another.
    Move {
        /// JSON pointer.
        from: String,
        /// JSON pointer.
        path: String,
    },
    /// Adds a copy.
    Copy {
        /// JSON pointer.
        from: String,
        /// JSON pointer.
        path: String,
    },
    /// Fails the patch unless the value is there.
    Test {
        /// JSON pointer.
        path: String,
        /// What must be there.
        #[serde(default)]
        value: Value,
    },
}

impl Operation {
    pub(super) fn apply(&self, document: &mut Value) -> Result<(), Error> {
        match self {
            Self::Add { path, value } => add(document, path, value.clone()),
            Self::Remove { path } => remove(document, path).map(drop),
            Self::Replace { path, value } => replace(document, path, value.clone()),
            Self::Move { from, path } => {
                if path.starts_with(&format!("{from}/")) {
                    return Err(fault(path, "lies inside what is moved"));
                }
                let value = remove(document, from)?;
                add(document, path, value)
            }
            Self::Copy { from, path } => {
                let value = document
                    .pointer(from)
                    .ok_or_else(|| fault(from, "does not exist"))?
                    .clone();
                add(document, path, value)
            }
            Self::Test { path, value } => {
                if document.pointer(path).unwrap_or(&Value::Null) == value {
                    Ok(())
                } else {
                    Err(fault(path, "does not have the tested value"))
                }
            }
        }
    }
}

fn add(document: &mut Value, path: &str, value: Value) -> Result<(), Error> {
    let Some((parent, last)) = parent(document, path)? else {
        *document = value;
        return Ok(());
    };
    match parent {
        Value::Object(fields) => {
            fields.insert(last, value);
        }
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let place = place(path, &last, items.len() + 1)?;
            items.insert(place, value);
        }
        _ => return Err(fault(path, "has no fields above it")),
    }
    Ok(())
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), Error> {
    match parent(document, path)? {
        Some((Value::Array(items), last)) => {
            let place = place(path, &last, items.len())?;
            items[place] = value;
            Ok(())
        }
        _ => add(document, path, value),
    }
}

fn remove(document: &mut Value, path: &str) -> Result<Value, Error> {
    match parent(document, path)? {
        Some((Value::Object(fields), last)) => fields.remove(&last).ok_or_else(|| fault(path, "does not exist")),
        Some((Value::Array(items), last)) => {
            let place = place(path, &last, items.len())?;
            Ok(items.remove(place))
        }
        Some(_) => Err(fault(path, "does not exist")),
        None => Ok(std::mem::replace(document, Value::Object(Map::new()))),
    }
}

/// The value that holds the last part of a pointer; `None` for the whole document.
fn parent<'a>(document: &'a mut Value, path: &str) -> Result<Option<(&'a mut Value, String)>, Error> {
    if path.is_empty() {
        return Ok(None);
    }
    let (above, last) = path
        .rsplit_once('/')
        .ok_or_else(|| fault(path, "is no JSON pointer: it must start with '/'"))?;
    let parent = document
        .pointer_mut(above)
        .ok_or_else(|| fault(path, "has no parent"))?;
    Ok(Some((parent, last.replace("~1", "/").replace("~0", "~"))))
}

fn place(path: &str, last: &str, end: usize) -> Result<usize, Error> {
    last.parse()
        .ok()
        .filter(|&place| place < end)
        .ok_or_else(|| fault(path, "is no place in the list"))
}

fn fault(path: &str, what: &str) -> Error {
    Error::bad_request(format!("the JSON patch does not apply: {path:?} {what}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Patch;
    use super::*;

    fn patched(mut document: Value, operations: Value) -> Result<Value, Error> {
        Patch::operations(operations)?.apply(&mut document).map(|()| document)
    }

    #[test]
    fn operations_apply_in_order() {
        let document = json!({"spec": {"a~/b": 1, "list": [1, 2]}});
        for (operations, expected) in [
            (
                json!([{"op": "replace", "path": "/spec/status", "value": "Cancelled"}]),
                json!({"spec": {"a~/b": 1, "list": [1, 2], "status": "Cancelled"}}),
            ),
            (
                json!([{"op": "add", "path": "/spec/list/1", "value": 9}, {"op": "add", "path": "/spec/list/-", "value": 3}]),
                json!({"spec": {"a~/b": 1, "list": [1, 9, 2, 3]}}),
            ),
            (
                json!([{"op": "remove", "path": "/spec/a~0~1b"}, {"op": "replace", "path": "/spec/list/0", "value": 7}]),
                json!({"spec": {"list": [7, 2]}}),
            ),
            (
                json!([{"op": "move", "from": "/spec/list", "path": "/all"}, {"op": "copy", "from": "/all/0", "path": "/one"}]),
                json!({"spec": {"a~/b": 1}, "all": [1, 2], "one": 1}),
            ),
            (
                json!([{"op": "test", "path": "/spec/list/0", "value": 1}]),
                document.clone(),
            ),
        ] {
            assert_eq!(
                patched(document.clone(), operations.clone()).unwrap(),
                expected,
                "{operations}"
            );
        }
    }

    #[test]
    fn what_does_not_apply_is_refused() {
        for operation in [
            json!({"op": "remove", "path": "/none"}),
            json!({"op": "add", "path": "/none/deeper", "value": 1}),
            json!({"op": "replace", "path": "/none/deeper", "value": 1}),
            json!({"op": "replace", "path": "/list/2", "value": 1}),
            json!({"op": "add", "path": "/list/4", "value": 1}),
            json!({"op": "remove", "path": "/list/-"}),
            json!({"op": "add", "path": "x", "value": 1}),
            json!({"op": "test", "path": "/list/0", "value": 2}),
            json!({"op": "move", "from": "/list", "path": "/list/0"}),
            json!({"op": "copy", "from": "/none", "path": "/a"}),
        ] {
            let error = patched(json!({"list": [1, 2]}), json!([operation])).unwrap_err();
            assert_eq!(error.code(), 400, "{operation}");
        }
    }
}
