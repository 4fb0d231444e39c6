//! Which fields somebody set, as `managedFields` of an object say it. Pure.
//!
//! A map is as many fields as it has entries; a list is one, but for the lists of [`keyed`] and [`is_set`], which are
//! as many as they have items.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Fields of the metadata that are the server's, or say which object it is.
const SERVERS: [&str; 11] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generateName",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// A field by the steps on the way to it, in the notation of `fieldsV1`: `f:name` of a map, `k:{"name":"a"}` of a list
/// whose items have a key, `v:"a"` of a set.
pub(crate) type Field = Vec<String>;

/// The key that tells the items of a list from one another; of every other list, `None`.
fn keyed(list: &[String]) -> Option<&'static str> {
    match list.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["f:metadata", "f:ownerReferences"] => Some("uid"),
        // Of service accounts.
        ["f:secrets" | "f:imagePullSecrets"] => Some("name"),
        _ => None,
    }
}

fn is_set(list: &[String]) -> bool {
    matches!(list, [of, name] if of == "f:metadata" && name == "f:finalizers")
}

/// A set of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(pub(crate) BTreeSet<Field>);

impl Fields {
    /// All that `object` says: with `status` its status, else everything but that.
    pub(crate) fn of(object: &Value, status: bool) -> Self {
        let mut fields = Self::default();
        let entries = object.as_object().into_iter().flatten();
        for (name, value) in entries.filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind")) {
            match name.as_str() {
                "metadata" if !status => {
                    let entries = value.as_object().into_iter().flatten();
                    for (name, value) in entries.filter(|(name, _)| !SERVERS.contains(&name.as_str())) {
                        fields.add(&mut vec!["f:metadata".to_owned(), named(name)], value);
                    }
                }
                "metadata" => {}
                name if (name == "status") == status => fields.add(&mut vec![named(name)], value),
                _ => {}
            }
        }
        fields
    }

    fn add(&mut self, at: &mut Field, value: &Value) {
        let below = below(at, value);
        if below.is_empty() {
            self.0.insert(at.clone());
        }
        for (step, value) in below {
            at.push(step);
            self.add(at, value);
            at.pop();
        }
    }

    /// From the form of `fieldsV1`.
    pub(crate) fn read(stored: &Value) -> Self {
        fn walk(at: &mut Field, stored: &Value, fields: &mut BTreeSet<Field>) {
            let below = stored.as_object().filter(|below| !below.is_empty());
            for (step, value) in below.into_iter().flatten() {
                if step == "." {
                    fields.insert(at.clone());
                } else if ["f:", "k:", "v:"].iter().any(|kind| step.starts_with(kind)) {
                    at.push(step.clone());
                    walk(at, value, fields);
                    at.pop();
                }
            }
            if below.is_none() && !at.is_empty() {
                fields.insert(at.clone());
            }
        }
        let mut fields = BTreeSet::new();
        walk(&mut Vec::new(), stored, &mut fields);
        Self(fields)
    }

    /// In that form.
    pub(crate) fn write(&self) -> Value {
        let mut root = Map::new();
        for field in &self.0 {
            let mut map = &mut root;
            for (depth, step) in field.iter().enumerate() {
                let entry = map.entry(step.as_str()).or_insert_with(|| Value::Object(Map::new()));
                let Value::Object(below) = entry else { break };
                let has_below = depth + 1 == field.len()
                    && self
                        .0
                        .range(field.clone()..)
                        .nth(1)
                        .is_some_and(|next| next.starts_with(field));
                if has_below {
                    below.insert(".".to_owned(), Value::Object(Map::new()));
                }
                map = below;
            }
        }
        Value::Object(root)
    }

    /// Without those that are in `others`, lie below one of them or above.
    pub(crate) fn without(&self, others: &Self) -> Self {
        let kept = self
            .0
            .iter()
            .filter(|field| !others.0.iter().any(|other| touches(field, other)));
        Self(kept.cloned().collect())
    }

    /// What of `self` is the same field as one of `others`, or part of it, or has it as a part.
    pub(crate) fn shared(&self, others: &Self) -> Self {
        let shared = self
            .0
            .iter()
            .filter(|field| others.0.iter().any(|other| touches(field, other)));
        Self(shared.cloned().collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether one field is the other or a part of it.
fn touches(one: &Field, other: &Field) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn named(name: &str) -> String {
    format!("f:{name}")
}

/// What a value consists of, as fields of their own; empty for what is one field.
fn below<'a>(at: &[String], value: &'a Value) -> Vec<(String, &'a Value)> {
    match (value, keyed(at)) {
        (Value::Object(entries), _) => entries.iter().map(|(name, value)| (named(name), value)).collect(),
        // Items without their key make it a list like any other.
        (Value::Array(items), Some(key)) => items
            .iter()
            .map(|item| Some((format!("k:{}", json!({key: item.get(key)?})), item)))
            .collect::<Option<_>>()
            .unwrap_or_default(),
        (Value::Array(items), None) if is_set(at) => items.iter().map(|item| (format!("v:{item}"), item)).collect(),
        _ => Vec::new(),
    }
}

/// Where in a list the item of a step is.
fn place(list: &[Value], step: &str) -> Option<usize> {
    let wanted: Value = serde_json::from_str(step.get(2..)?).ok()?;
    list.iter().position(|item| match (step.starts_with("k:"), &wanted) {
        (true, Value::Object(keys)) => keys.iter().all(|(name, value)| item.get(name) == Some(value)),
        _ => *item == wanted,
    })
}

/// What is there.
pub(crate) fn get<'a>(object: &'a Value, field: &[String]) -> Option<&'a Value> {
    field
        .iter()
        .try_fold(object, |value, step| match step.strip_prefix("f:") {
            Some(name) => value.get(name),
            None => value.as_array().and_then(|list| list.get(place(list, step)?)),
        })
}

/// Puts a value there, making the maps and items on the way.
pub(crate) fn set(object: &mut Value, field: &[String], value: Value) {
    let Some((step, rest)) = field.split_first() else {
        // That somebody names no item takes none of others' away.
        if !(is_empty_list(&value) && object.is_array()) {
            *object = value;
        }
        return;
    };
    let Some(name) = step.strip_prefix("f:") else {
        return set_item(object, step, rest, value);
    };
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    if let Some(entries) = object.as_object_mut() {
        set(entries.entry(name).or_insert(Value::Null), rest, value);
    }
}

fn set_item(list: &mut Value, step: &str, rest: &[String], value: Value) {
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    let Some(items) = list.as_array_mut() else { return };
    let place = place(items, step).unwrap_or_else(|| {
        items.push(serde_json::from_str(&step[2..]).unwrap_or_default());
        items.len() - 1
    });
    set(&mut items[place], rest, value);
}

fn is_empty_list(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

/// Takes away what is there, and the maps, items and lists that are empty by that.
pub(crate) fn remove_all(object: &mut Value, fields: &Fields) {
    // An item is found by its key, which so goes last.
    let is_key = |field: &&Field| match &field[..] {
        [.., item, name] => item
            .strip_prefix("k:")
            .is_some_and(|keys| keys.contains(&format!("{{\"{}\":", &name[2..]))),
        _ => false,
    };
    let (keys, others): (Vec<_>, Vec<_>) = fields.0.iter().partition(is_key);
    for field in others.into_iter().chain(keys) {
        remove(object, field);
    }
}

fn remove(object: &mut Value, field: &[String]) {
    let Some((step, rest)) = field.split_first() else {
        return;
    };
    let inner = match (step.strip_prefix("f:"), &mut *object) {
        (Some(name), Value::Object(entries)) => entries.get_mut(name),
        (None, Value::Array(items)) => place(items, step).map(|place| &mut items[place]),
        _ => None,
    };
    let Some(inner) = inner else { return };
    remove(inner, rest);
    let is_empty = inner.as_object().is_some_and(Map::is_empty) || is_empty_list(inner);
    if !(rest.is_empty() || is_empty) {
        return;
    }
    match (step.strip_prefix("f:"), object) {
        (Some(name), Value::Object(entries)) => drop(entries.remove(name)),
        // An item that was emptied has no key any more.
        (None, Value::Array(items)) if !rest.is_empty() => {
            items.retain(|item| !item.as_object().is_some_and(Map::is_empty))
        }
        (None, Value::Array(items)) => drop(place(items, step).map(|place| items.remove(place))),
        _ => {}
    }
}

/// `.spec.a`, `.secrets[name="a"].name`, for people.
pub(crate) fn say(field: &[String]) -> String {
    field
        .iter()
        .map(|step| said(step).unwrap_or_else(|| step.clone()))
        .collect()
}

fn said(step: &str) -> Option<String> {
    if let Some(name) = step.strip_prefix("f:") {
        return Some(format!(".{name}"));
    }
    if let Some(item) = step.strip_prefix("v:") {
        return Some(format!("[={item}]"));
    }
    let keys: Map<String, Value> = serde_json::from_str(step.strip_prefix("k:")?).ok()?;
    let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Some(format!("[{}]", keys.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_and_read_again() {
        let object = json!({
            "apiVersion": "v1", "kind": "A", "status": {"x": 1},
            "metadata": {"name": "n", "uid": "u", "labels": {"a.b/c": "1"}},
            "spec": {"a": 1, "list": [{"b": 2}], "empty": {}},
        });
        let fields = Fields::of(&object, false);
        let written = json!({
            "f:metadata": {"f:labels": {"f:a.b/c": {}}}, "f:spec": {"f:a": {}, "f:list": {}, "f:empty": {}},
        });
        assert_eq!(fields.write(), written);
        assert_eq!(Fields::read(&written), fields);
        assert_eq!(Fields::of(&object, true).write(), json!({"f:status": {"f:x": {}}}));
        let both = json!({"f:spec": {"f:a": {".": {}, "f:b": {}}}});
        assert_eq!(Fields::read(&both).write(), both);
        assert_eq!(Fields::read(&json!({})), Fields::default());
    }

    #[test]
    fn values_are_put_and_taken_with_the_maps_around_them() {
        let mut object = json!({"spec": {"a": 1}});
        let field = |text: &str| text.split('.').map(named).collect::<Field>();
        let remove = |object: &mut Value, text: &str| remove_all(object, &Fields([field(text)].into()));
        set(&mut object, &field("metadata.labels.x"), json!("1"));
        set(&mut object, &field("spec.a.b"), json!(2));
        assert_eq!(
            object,
            json!({"metadata": {"labels": {"x": "1"}}, "spec": {"a": {"b": 2}}})
        );
        remove(&mut object, "metadata.labels.x");
        remove(&mut object, "spec.odd.b");
        assert_eq!(object, json!({"spec": {"a": {"b": 2}}}));
        assert_eq!(get(&object, &field("spec.a.b")), Some(&json!(2)));
    }

    #[test]
    fn items_with_a_key_are_fields_of_their_own() {
        let object = json!({
            "metadata": {"finalizers": ["x/a"], "ownerReferences": [{"uid": "1", "kind": "A"}]},
            "secrets": [{"name": "a"}], "rules": [{"name": "a"}],
        });
        let fields = Fields::of(&object, false);
        let written = json!({
            "f:metadata": {
                "f:finalizers": {"v:\"x/a\"": {}},
                "f:ownerReferences": {"k:{\"uid\":\"1\"}": {"f:uid": {}, "f:kind": {}}},
            },
            "f:secrets": {"k:{\"name\":\"a\"}": {"f:name": {}}}, "f:rules": {},
        });
        assert_eq!(fields.write(), written);
        assert_eq!(Fields::read(&written), fields);
        let mut other = json!({
            "metadata": {"finalizers": ["x/b"], "ownerReferences": [{"uid": "2", "kind": "A"}]},
            "secrets": [{"name": "b"}],
        });
        for field in &fields.0 {
            set(&mut other, field, get(&object, field).cloned().unwrap());
        }
        let both = json!({
            "metadata": {
                "finalizers": ["x/b", "x/a"], "ownerReferences": [{"uid": "2", "kind": "A"}, {"uid": "1", "kind": "A"}],
            },
            "secrets": [{"name": "b"}, {"name": "a"}], "rules": [{"name": "a"}],
        });
        assert_eq!(other, both);
        remove_all(&mut other, &fields);
        let left = json!({
            "metadata": {"finalizers": ["x/b"], "ownerReferences": [{"uid": "2", "kind": "A"}]},
            "secrets": [{"name": "b"}],
        });
        assert_eq!(other, left);
        let said: Vec<String> = fields.0.iter().map(|field| say(field)).collect();
        assert!(said.contains(&".secrets[name=\"a\"].name".to_owned()), "{said:?}");
        assert!(said.contains(&".metadata.finalizers[=\"x/a\"]".to_owned()), "{said:?}");
        // No item named: those of others stay.
        set(&mut other, &[named("secrets")], json!([]));
        assert_eq!(other["secrets"], json!([{"name": "b"}]));
    }
}
