//! Serde's side: a deserializer over JSON values that knows where it is.

use std::cell::RefCell;

use serde::Deserializer;
use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use super::error::Fault;
use crate::param::go_number;
use crate::path::{At, Path};

/// Most fields that are noticed; far more than are told.
const MAX_STRAYS: usize = 1000;

/// A field its type does not have, or has in another case.
pub(super) struct Stray {
    pub(super) path: Path,
    pub(super) meant: Option<&'static str>,
    pub(super) fields: &'static [&'static str],
}

/// What one reading noticed.
#[derive(Default)]
pub(super) struct Notes {
    strays: RefCell<Vec<Stray>>,
}

/// A value, its place, and where to put notes.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a, 'de> {
    value: &'de Value,
    at: At<'a>,
    notes: &'a Notes,
}

impl Notes {
    fn stray(&self, at: At<'_>, meant: Option<&'static str>, fields: &'static [&'static str]) {
        let mut strays = self.strays.borrow_mut();
        if strays.len() < MAX_STRAYS {
            strays.push(Stray {
                path: at.path(),
                meant,
                fields,
            });
        }
    }

    pub(super) fn into_strays(self) -> Vec<Stray> {
        self.strays.into_inner()
    }
}

impl<'a, 'de> Reader<'a, 'de> {
    pub(super) fn new(value: &'de Value, notes: &'a Notes) -> Self {
        Self {
            value,
            at: At::ROOT,
            notes,
        }
    }

    fn unexpected(self) -> Unexpected<'de> {
        match self.value {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => Unexpected::Unsigned(number),
                (None, Some(number)) => Unexpected::Signed(number),
                (None, None) => Unexpected::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Unexpected::Str(text),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        }
    }

    /// The fields that are there, under the names their type knows them by.
    fn known_fields(self, object: &'de Map<String, Value>, fields: &'static [&'static str]) -> Vec<Entry<'de>> {
        let mut entries = Vec::with_capacity(object.len());
        for (key, value) in object {
            if fields.contains(&key.as_str()) {
                entries.push(Entry { name: key, key, value });
                continue;
            }
            let meant = fields
                .iter()
                .find(|field| field.eq_ignore_ascii_case(key) && !object.contains_key(**field));
            self.notes.stray(self.at.key(key), meant.copied(), fields);
            if let Some(name) = meant {
                entries.push(Entry { name, key, value });
            }
        }
        entries.retain(|entry| !entry.value.is_null());
        entries
    }
}

impl<'de> Deserializer<'de> for Reader<'_, 'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let result = match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => visitor.visit_seq(Items {
                items: items.iter().enumerate(),
                reader: self,
            }),
            Value::Object(object) => {
                let entries = object
                    .iter()
                    .map(|(key, value)| Entry { name: key, key, value })
                    .collect();
                visitor.visit_map(Fields::new(entries, self))
            }
        };
        result.map_err(|fault| fault.at(self.at))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.value.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Value::Object(object) = self.value else {
            return Err(Fault::invalid_type(self.unexpected(), &"an object").at(self.at));
        };
        let entries = self.known_fields(object, fields);
        visitor
            .visit_map(Fields::new(entries, self))
            .map_err(|fault| fault.at(self.at))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Value::String(word) = self.value else {
            let expected = crate::problem::one_of(variants);
            return Err(Fault::invalid_type(self.unexpected(), &expected.as_str()).at(self.at));
        };
        if !variants.contains(&word.as_str()) {
            return Err(Fault::word(name, word, variants).at(self.at));
        }
        let word: StrDeserializer<'_, Fault> = word.as_str().into_deserializer();
        visitor.visit_enum(word).map_err(|fault| fault.at(self.at))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        // Kubernetes takes `cpu: 1` although quantities are texts.
        if let (Value::Number(number), "Quantity") = (self.value, name) {
            let text = match number.as_f64().filter(|_| number.is_f64()) {
                Some(number) => go_number(number),
                None => number.to_string(),
            };
            let text: StringDeserializer<Fault> = text.into_deserializer();
            return visitor.visit_newtype_struct(text);
        }
        visitor.visit_newtype_struct(self).map_err(|fault| fault.at(self.at))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// One field: the name its type knows, the name as written, the value.
struct Entry<'de> {
    name: &'de str,
    key: &'de str,
    value: &'de Value,
}

struct Fields<'a, 'de> {
    entries: std::vec::IntoIter<Entry<'de>>,
    current: Option<Entry<'de>>,
    reader: Reader<'a, 'de>,
}

impl<'a, 'de> Fields<'a, 'de> {
    fn new(entries: Vec<Entry<'de>>, reader: Reader<'a, 'de>) -> Self {
        Self {
            entries: entries.into_iter(),
            current: None,
            reader,
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.current = self.entries.next();
        let Some(entry) = &self.current else { return Ok(None) };
        let name = serde::de::value::BorrowedStrDeserializer::new(entry.name);
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some(entry) = self.current.take() else {
            return Err(Fault::custom("a value was asked for before its key"));
        };
        let at = self.reader.at.key(entry.key);
        let reader = Reader {
            value: entry.value,
            at,
            notes: self.reader.notes,
        };
        seed.deserialize(reader).map_err(|fault| fault.at(at))
    }
}

struct Items<'a, 'de> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
    reader: Reader<'a, 'de>,
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((index, value)) = self.items.next() else {
            return Ok(None);
        };
        let at = self.reader.at.index(index);
        let reader = Reader {
            value,
            at,
            notes: self.reader.notes,
        };
        seed.deserialize(reader).map(Some).map_err(|fault| fault.at(at))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}
