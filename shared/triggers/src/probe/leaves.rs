//! The single values of a document, and documents with one of them replaced.

use serde_json::Value;

/// A text, number or truth value of a document.
pub(super) struct Leaf {
    /// Its JSON pointer.
    pub(super) pointer: String,
    /// The same for people: `body.commits[0].id`.
    pub(super) shown: String,
    pub(super) value: Value,
}

/// All of them, in the document's order.
pub(super) fn leaves(document: &Value) -> Vec<Leaf> {
    let mut found = Vec::new();
    walk(document, String::new(), "body".to_owned(), &mut found);
    found
}

fn walk(value: &Value, pointer: String, shown: String, found: &mut Vec<Leaf>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                walk(value, format!("{pointer}/{escaped}"), format!("{shown}.{key}"), found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                walk(value, format!("{pointer}/{index}"), format!("{shown}[{index}]"), found);
            }
        }
        Value::Null => {}
        value => found.push(Leaf {
            pointer,
            shown,
            value: value.clone(),
        }),
    }
}

/// The document with another value at `pointer`.
pub(super) fn replaced(document: &Value, pointer: &str, value: Value) -> Value {
    let mut document = document.clone();
    if let Some(place) = document.pointer_mut(pointer) {
        *place = value;
    }
    document
}

/// Where `pointer` leads through a list: the document with that element twice, the two with these
/// values. A path that takes every element then finds both.
pub(super) fn twin(document: &Value, pointer: &str, values: [Value; 2]) -> Option<Value> {
    let ends = pointer.match_indices('/').map(|(at, _)| at).chain([pointer.len()]);
    let ends: Vec<usize> = ends.collect();
    // The innermost list on the way.
    let (list, index, end) = ends.windows(2).rev().find_map(|pair| {
        let (list, end) = (&pointer[..pair[0]], pair[1]);
        let index: usize = pointer[pair[0] + 1..end].parse().ok()?;
        document.pointer(list)?.is_array().then_some((list, index, end))
    })?;
    let below = &pointer[end..];
    let [first, second] = values;
    let mut document = replaced(document, pointer, first);
    let items = document.pointer_mut(list)?.as_array_mut()?;
    let mut other = items.get(index)?.clone();
    *other.pointer_mut(below)? = second;
    items.insert(index + 1, other);
    Some(document)
}

/// Where texts of a document hold `mark`, such as `spec.steps[0].script`.
pub(super) fn places(document: &Value, mark: &str) -> Vec<String> {
    let texts = leaves(document).into_iter();
    texts
        .filter(|leaf| leaf.value.as_str().is_some_and(|text| text.contains(mark)))
        .map(|leaf| leaf.shown.trim_start_matches("body").trim_start_matches('.').to_owned())
        .collect()
}
