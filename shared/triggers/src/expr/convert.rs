//! JSON to values and back.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cel::common::types::{CelBool, CelDouble, CelList, CelMap, CelMapKey, CelNull, CelString};
use cel::common::value::Val;
use serde_json::{Map, Number, Value};

/// Whole numbers up to here are whole as doubles as well.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// A JSON value; every number is a double, as in Tekton. Texts are borrowed.
pub(super) fn to_val(value: &Value) -> Box<dyn Val + '_> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(truth) => Box::new(CelBool::from(*truth)),
        Value::Number(number) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => {
            let items: Vec<Box<dyn Val + '_>> = items.iter().map(to_val).collect();
            Box::new(CelList::from(items))
        }
        Value::Object(fields) => {
            let entries = fields
                .iter()
                .map(|(key, field)| (CelMapKey::from(key.as_str()), to_val(field)));
            Box::new(CelMap::from(entries.collect::<HashMap<_, _>>()))
        }
    }
}

/// A JSON value that owns its texts.
pub(super) fn to_owned_val(value: Value) -> Box<dyn Val> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(truth) => Box::new(CelBool::from(truth)),
        Value::Number(number) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        Value::String(text) => Box::new(CelString::from(text)),
        Value::Array(items) => {
            let items: Vec<Box<dyn Val>> = items.into_iter().map(to_owned_val).collect();
            Box::new(CelList::from(items))
        }
        Value::Object(fields) => {
            let entries = fields
                .into_iter()
                .map(|(key, field)| (CelMapKey::from(key), to_owned_val(field)));
            Box::new(CelMap::from(entries.collect::<HashMap<_, _>>()))
        }
    }
}

/// The JSON of a value, as [`json_of`].
pub(super) fn to_json(value: &dyn Val) -> Result<Value, String> {
    let value = cel::Value::try_from(value).map_err(|_| no_json(value))?;
    json_of(&value)
}

/// The JSON of a result. Bytes become base64, times their text; what has no JSON is told.
pub(super) fn json_of(value: &cel::Value) -> Result<Value, String> {
    Ok(match value {
        cel::Value::Null => Value::Null,
        cel::Value::Bool(truth) => Value::Bool(*truth),
        cel::Value::Int(number) => Value::from(*number),
        cel::Value::UInt(number) => Value::from(*number),
        cel::Value::Float(number) => double(*number)?,
        cel::Value::String(text) => Value::String(text.to_string()),
        cel::Value::Bytes(bytes) => Value::String(BASE64_STANDARD.encode(bytes.as_slice())),
        cel::Value::Timestamp(time) => Value::String(time.to_utc().to_rfc3339().replace("+00:00", "Z")),
        cel::Value::Duration(duration) => Value::String(seconds(duration.num_nanoseconds())?),
        cel::Value::List(items) => Value::Array(items.iter().map(json_of).collect::<Result<_, _>>()?),
        cel::Value::Map(map) => {
            let mut fields = Map::new();
            for (key, field) in map.map.iter() {
                fields.insert(key.to_string(), json_of(field)?);
            }
            Value::Object(fields)
        }
        other => return Err(format!("{} cannot be written as JSON", other.type_of())),
    })
}

/// A double; a whole one as JSON writes whole numbers.
#[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
fn double(number: f64) -> Result<Value, String> {
    if number.fract() == 0.0 && number.abs() <= WHOLE_MAX {
        return Ok(Value::from(number as i64));
    }
    Number::from_f64(number)
        .map(Value::Number)
        .ok_or_else(|| format!("{number} cannot be written as JSON"))
}

/// Nanoseconds as protobuf writes durations, such as `90s` or `1.500s`.
fn seconds(nanoseconds: Option<i64>) -> Result<String, String> {
    let nanoseconds = nanoseconds.ok_or("the duration is too long")?;
    let (whole, part) = (nanoseconds / 1_000_000_000, (nanoseconds % 1_000_000_000).abs());
    let sign = if whole == 0 && nanoseconds < 0 { "-" } else { "" };
    if part == 0 {
        return Ok(format!("{sign}{whole}s"));
    }
    Ok(format!("{sign}{whole}.{}s", format!("{part:09}").trim_end_matches('0')))
}

fn no_json(value: &dyn Val) -> String {
    format!("{} cannot be written as JSON", value.get_type().name())
}
