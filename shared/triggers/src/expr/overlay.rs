//! Where an overlay's value goes.

use serde_json::{Map, Value};

/// Deepest key.
const PARTS_MAX: usize = 32;

/// Sets a value under a key; dots nest, and a backslash makes a dot part of a name.
///
/// What stands in the way and is no object is replaced.
pub(super) fn set(added: &mut Map<String, Value>, key: &str, value: Value) -> Result<(), String> {
    let mut parts = split(key);
    if parts.len() > PARTS_MAX {
        return Err(format!("its key nests more than {PARTS_MAX} deep"));
    }
    let Some(last) = parts.pop().filter(|last| !last.is_empty()) else {
        return Err("its key is empty or ends in a dot".to_owned());
    };
    let mut here = added;
    for part in parts {
        let field = here.entry(part).or_insert(Value::Null);
        if !field.is_object() {
            *field = Value::Object(Map::new());
        }
        let Value::Object(fields) = field else { return Ok(()) };
        here = fields;
    }
    here.insert(last, value);
    Ok(())
}

fn split(key: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = key.chars();
    while let Some(c) = chars.next() {
        let plain = match c {
            '.' => {
                parts.push(String::new());
                continue;
            }
            '\\' => chars.next().unwrap_or('\\'),
            c => c,
        };
        if let Some(part) = parts.last_mut() {
            part.push(plain);
        }
    }
    parts
}
