//! Fields of JSON objects, found whatever their case.

use serde_json::{Map, Value, json};

/// The name under which a field is there, the exact one first.
fn name(object: &Map<String, Value>, field: &str) -> Option<String> {
    if object.contains_key(field) {
        return Some(field.to_owned());
    }
    object.keys().find(|key| key.eq_ignore_ascii_case(field)).cloned()
}

/// Takes a field out; null counts as absent.
pub(super) fn take(object: &mut Map<String, Value>, field: &str) -> Option<Value> {
    let name = name(object, field)?;
    object.remove(&name).filter(|value| !value.is_null())
}

/// A field that is an object.
pub(super) fn object<'a>(object: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Map<String, Value>> {
    let name = name(object, field)?;
    object.get_mut(&name)?.as_object_mut()
}

/// The objects in a field that is a list, with their positions.
pub(super) fn objects<'a>(
    object: &'a mut Map<String, Value>,
    field: &str,
) -> impl Iterator<Item = (usize, &'a mut Map<String, Value>)> {
    let items = name(object, field)
        .and_then(|name| object.get_mut(&name))
        .and_then(Value::as_array_mut);
    items
        .into_iter()
        .flatten()
        .enumerate()
        .filter_map(|(index, item)| Some((index, item.as_object_mut()?)))
}

/// Renames a field unless the new name is taken; tells whether it did.
pub(super) fn rename(object: &mut Map<String, Value>, from: &str, to: &str) -> bool {
    if name(object, to).is_some() {
        return false;
    }
    match take(object, from) {
        Some(value) => {
            object.insert(to.to_owned(), value);
            true
        }
        None => false,
    }
}

/// A reference into a bundle becomes one through the resolver of that name.
pub(super) fn bundle(reference: &mut Map<String, Value>, kind: &str) {
    let Some(bundle) = take(reference, "bundle") else {
        return;
    };
    let name = take(reference, "name").unwrap_or_default();
    let kind = take(reference, "kind").unwrap_or_else(|| kind.into());
    let params = json!([
        {"name": "bundle", "value": bundle},
        {"name": "name", "value": name},
        {"name": "kind", "value": kind},
    ]);
    reference.insert("resolver".to_owned(), "bundles".into());
    reference.insert("params".to_owned(), params);
}
