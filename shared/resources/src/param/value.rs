//! The value of a parameter or result, told apart by its JSON shape.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{ParamType, number::go_number};

/// A text, a list of texts or texts by key.
///
/// Numbers and booleans become text. As with Tekton, a list or object that
/// holds anything but texts is one text: its JSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParamValue {
    /// Text.
    String(String),
    /// List of texts.
    Array(Vec<String>),
    /// Texts by key.
    Object(BTreeMap<String, String>),
}

impl ParamValue {
    /// The type this value has.
    #[must_use]
    pub fn kind(&self) -> ParamType {
        match self {
            Self::String(_) => ParamType::String,
            Self::Array(_) => ParamType::Array,
            Self::Object(_) => ParamType::Object,
        }
    }

    /// The text of a string value.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The value a JSON value stands for; null is the empty text.
    #[must_use]
    pub fn from_json(value: Value) -> Self {
        match value {
            Value::Null => Self::default(),
            Value::String(text) => Self::String(text),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                Self::Array(items.into_iter().filter_map(text_of).collect())
            }
            Value::Object(entries) if entries.values().all(Value::is_string) => Self::Object(
                entries
                    .into_iter()
                    .filter_map(|(key, value)| Some((key, text_of(value)?)))
                    .collect(),
            ),
            other => Self::String(json_text(&other)),
        }
    }

    /// The value as text: a string itself, the others as JSON.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::String(text) => text.clone(),
            Self::Array(items) => Value::from(items.clone()).to_string(),
            Self::Object(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| (key.clone(), value.clone().into()))
                    .collect(),
            )
            .to_string(),
        }
    }
}

impl Default for ParamValue {
    fn default() -> Self {
        Self::String(String::new())
    }
}

impl From<&str> for ParamValue {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for ParamValue {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<Vec<String>> for ParamValue {
    fn from(items: Vec<String>) -> Self {
        Self::Array(items)
    }
}

impl From<BTreeMap<String, String>> for ParamValue {
    fn from(entries: BTreeMap<String, String>) -> Self {
        Self::Object(entries)
    }
}

impl Serialize for ParamValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => items.serialize(serializer),
            Self::Object(entries) => entries.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ParamValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Shape)
    }
}

struct Shape;

impl<'de> Visitor<'de> for Shape {
    type Value = ParamValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string, a list of strings or an object of strings")
    }

    fn visit_str<E>(self, text: &str) -> Result<ParamValue, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<ParamValue, E> {
        Ok(text.into())
    }

    fn visit_bool<E>(self, value: bool) -> Result<ParamValue, E> {
        Ok(value.to_string().into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<ParamValue, E> {
        Ok(value.to_string().into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<ParamValue, E> {
        Ok(value.to_string().into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<ParamValue, E> {
        Ok(go_number(value).into())
    }

    fn visit_unit<E>(self) -> Result<ParamValue, E> {
        Ok(ParamValue::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<ParamValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Value>()? {
            items.push(item);
        }
        Ok(ParamValue::from_json(Value::Array(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<ParamValue, A::Error> {
        let mut entries = serde_json::Map::new();
        while let Some((key, value)) = access.next_entry::<String, Value>()? {
            entries.insert(key, value);
        }
        Ok(ParamValue::from_json(Value::Object(entries)))
    }
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// JSON with numbers as Go prints them at the top; nested ones as serde does.
fn json_text(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => number.as_f64().map(go_number).unwrap_or_default(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::ParamValue;

    #[test]
    fn shape_decides_the_type() {
        let golden = [
            (json!("x"), ParamValue::String("x".into())),
            (json!(8080), ParamValue::String("8080".into())),
            (json!(true), ParamValue::String("true".into())),
            (json!(1.0), ParamValue::String("1".into())),
            (json!(null), ParamValue::String(String::new())),
            (json!([]), ParamValue::Array(vec![])),
            (json!(["a", "b"]), ParamValue::Array(vec!["a".into(), "b".into()])),
            (json!([1, 2]), ParamValue::String("[1,2]".into())),
            (
                json!({"k": "v"}),
                ParamValue::Object([("k".to_owned(), "v".to_owned())].into()),
            ),
            (json!({"k": [1]}), ParamValue::String(r#"{"k":[1]}"#.into())),
        ];
        for (json, expected) in golden {
            assert_eq!(
                serde_json::from_value::<ParamValue>(json.clone()).unwrap(),
                expected,
                "{json}"
            );
            assert_eq!(ParamValue::from_json(json), expected);
        }
    }

    #[test]
    fn values_come_back_as_they_went() {
        for value in [json!("x"), json!(["a"]), json!({"k": "v"})] {
            let typed: ParamValue = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(serde_json::to_value(typed).unwrap(), Value::clone(&value));
        }
    }
}
