//! Whether an object still has the shape its template has.

use serde_json::Value;

/// Most differences that are told.
const DIFFERENCES_MAX: usize = 3;

/// Where the made object differs from its template in more than texts.
pub(crate) fn differences(template: &Value, made: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(template, made, String::new(), &mut found);
    found
}

fn compare(template: &Value, made: &Value, at: String, found: &mut Vec<String>) {
    if found.len() >= DIFFERENCES_MAX {
        return;
    }
    let differs = match (template, made) {
        (Value::Object(wanted), Value::Object(fields)) => {
            // A key that holds a parameter cannot be told beforehand.
            let known = wanted.keys().filter(|key| !key.contains("$("));
            for key in known.clone() {
                if let Some(field) = fields.get(key) {
                    compare(&wanted[key], field, below(&at, key), found);
                }
            }
            wanted.len() != fields.len() || !known.clone().all(|key| fields.contains_key(key))
        }
        (Value::Array(wanted), Value::Array(items)) => {
            for (index, (wanted, item)) in wanted.iter().zip(items).enumerate() {
                compare(wanted, item, format!("{at}[{index}]"), found);
            }
            wanted.len() != items.len()
        }
        (Value::String(_), Value::String(_)) => false,
        (wanted, value) => wanted != value,
    };
    if differs {
        found.push(if at.is_empty() { "its top".to_owned() } else { at });
    }
}

fn below(at: &str, key: &str) -> String {
    if at.is_empty() {
        key.to_owned()
    } else {
        format!("{at}.{key}")
    }
}
