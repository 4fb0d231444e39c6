//! The three-way merge of `apply`: what was applied last, what is there, what is wanted now.

use serde_json::{Map, Value};

/// The JSON merge patch that brings `live` to `wanted` without touching what others set: fields of
/// `last` that are not wanted any more are removed, fields only `live` has stay. Empty when there is
/// nothing to do. Lists are replaced as a whole, as `kubectl` does for these kinds.
pub(crate) fn three_way(last: &Value, live: &Value, wanted: &Value) -> Map<String, Value> {
    let empty = Map::new();
    let object = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (last, live) = (object(last), object(live));
    let mut patch = Map::new();
    for (key, wanted) in wanted.as_object().unwrap_or(&empty) {
        let here = live.get(key);
        match (wanted, here) {
            (Value::Object(_), Some(Value::Object(_))) => {
                let below = three_way(last.get(key).unwrap_or(&Value::Null), &live[key], wanted);
                if !below.is_empty() {
                    patch.insert(key.clone(), below.into());
                }
            }
            (wanted, Some(here)) if wanted == here => {}
            // A null that is written is a field that is not.
            (Value::Null, None) => {}
            _ => {
                patch.insert(key.clone(), wanted.clone());
            }
        }
    }
    let wanted = wanted.as_object().unwrap_or(&empty);
    for key in last.keys() {
        if !wanted.contains_key(key) && live.contains_key(key) {
            patch.insert(key.clone(), Value::Null);
        }
    }
    patch
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::three_way;

    #[test]
    fn what_is_not_wanted_any_more_goes_and_what_others_set_stays() {
        let last =
            json!({"spec": {"a": 1, "gone": 2, "tasks": [1, 2]}, "metadata": {"labels": {"x": "1", "old": "1"}}});
        let live = json!({"spec": {"a": 1, "gone": 2, "tasks": [1, 2], "default": 9},
            "metadata": {"labels": {"x": "1", "old": "1", "theirs": "1"}, "uid": "u"}, "status": {}});
        let wanted = json!({"spec": {"a": 3, "tasks": [2]}, "metadata": {"labels": {"x": "1"}}});
        assert_eq!(
            Value::Object(three_way(&last, &live, &wanted)),
            json!({"spec": {"a": 3, "gone": null, "tasks": [2]}, "metadata": {"labels": {"old": null}}})
        );
    }

    #[test]
    fn the_same_again_is_nothing() {
        let object = json!({"spec": {"a": {"b": [1]}, "n": null}});
        let live = json!({"spec": {"a": {"b": [1]}, "default": true}});
        assert!(three_way(&object, &live, &object).is_empty());
    }

    #[test]
    fn without_a_last_time_nothing_is_removed() {
        let live = json!({"spec": {"a": 1, "b": 2}});
        let patch = three_way(&Value::Null, &live, &json!({"spec": {"a": 2}}));
        assert_eq!(Value::Object(patch), json!({"spec": {"a": 2}}));
    }
}
