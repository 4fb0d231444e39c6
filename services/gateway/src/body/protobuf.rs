//! Bodies in Kubernetes' protobuf: typed clients write core kinds in it and know no other way.
//!
//! Only what such clients write is read, by a table of fields (`messages`); answers are JSON, which they
//! accept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::messages::{self, Field, Shape};

/// What every such body begins with.
const MAGIC: &[u8] = b"k8s\0";
/// Most values of one list or map.
const MAX_ITEMS: usize = 100_000;

/// The type of these bodies.
pub(super) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// Why a body cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is none, or cut off.
    Broken,
    /// Nobody is expected to write that kind.
    Unknown(String),
}

/// The object of a body.
///
/// # Errors
/// [`Fault`].
pub(super) fn read(bytes: &[u8]) -> Result<Value, Fault> {
    let envelope = bytes.strip_prefix(MAGIC).ok_or(Fault::Broken)?;
    let (mut types, mut raw) = (Map::new(), [].as_slice());
    for part in Parts(envelope) {
        match part? {
            (1, Part::Bytes(bytes)) => types = message(bytes, messages::TYPES)?,
            (2, Part::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let text = |name: &str| types.get(name).and_then(Value::as_str).unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let fields = messages::of(version, kind).ok_or_else(|| Fault::Unknown(format!("{kind} of {version}")))?;
    let mut object = message(raw, fields)?;
    object.extend(types);
    Ok(Value::Object(object))
}

/// A message as JSON, without what is empty: Go writes every text, also the ones nobody set.
fn message(bytes: &[u8], fields: &[Field]) -> Result<Map<String, Value>, Fault> {
    let mut found = Map::new();
    for part in Parts(bytes) {
        let (number, part) = part?;
        let Some(field) = fields.iter().find(|field| field.number == number) else {
            continue;
        };
        take(&mut found, field, &part)?;
    }
    Ok(found)
}

fn take(found: &mut Map<String, Value>, field: &Field, part: &Part<'_>) -> Result<(), Fault> {
    let name = field.name;
    match (&field.shape, part) {
        (Shape::Text, Part::Bytes(bytes)) => {
            let text = text(bytes)?;
            if !text.is_empty() {
                found.insert(name.to_owned(), text.into());
            }
        }
        (Shape::Texts, Part::Bytes(bytes)) => push(found, name, text(bytes)?.into())?,
        (Shape::Flag, Part::Number(number)) => drop(found.insert(name.to_owned(), json!(*number != 0))),
        (Shape::Number, Part::Number(number)) => {
            if *number != 0 {
                found.insert(name.to_owned(), json!(number.cast_signed()));
            }
        }
        (Shape::Time, Part::Bytes(bytes)) => {
            if let Some(time) = time(bytes)? {
                found.insert(name.to_owned(), time.into());
            }
        }
        (Shape::One(fields), Part::Bytes(bytes)) => {
            found.insert(name.to_owned(), message(bytes, fields)?.into());
        }
        (Shape::Many(fields), Part::Bytes(bytes)) => push(found, name, message(bytes, fields)?.into())?,
        (Shape::TextMap | Shape::BytesMap | Shape::QuantityMap, Part::Bytes(bytes)) => {
            let (key, value) = entry(bytes, &field.shape)?;
            let map = found.entry(name).or_insert_with(|| json!({}));
            if let Some(map) = map.as_object_mut().filter(|map| map.len() < MAX_ITEMS) {
                map.insert(key, value);
            }
        }
        _ => return Err(Fault::Broken),
    }
    Ok(())
}

fn push(found: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), Fault> {
    let list = found.entry(name).or_insert_with(|| json!([]));
    let list = list
        .as_array_mut()
        .filter(|list| list.len() < MAX_ITEMS)
        .ok_or(Fault::Broken)?;
    list.push(value);
    Ok(())
}

/// Key and value of a map.
fn entry(bytes: &[u8], shape: &Shape) -> Result<(String, Value), Fault> {
    let (mut key, mut value) = (String::new(), [].as_slice());
    for part in Parts(bytes) {
        match part? {
            (1, Part::Bytes(bytes)) => key = text(bytes)?,
            (2, Part::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    let value = match shape {
        Shape::BytesMap => STANDARD.encode(value).into(),
        Shape::QuantityMap => message(value, messages::QUANTITY)?.remove("string").unwrap_or_default(),
        _ => text(value)?.into(),
    };
    Ok((key, value))
}

fn time(bytes: &[u8]) -> Result<Option<String>, Fault> {
    let parts = message(bytes, messages::TIME)?;
    let number = |name: &str| parts.get(name).and_then(Value::as_i64).unwrap_or_default();
    if parts.is_empty() {
        return Ok(None);
    }
    let nanos = i32::try_from(number("nanos")).map_err(|_| Fault::Broken)?;
    let time = jiff::Timestamp::new(number("seconds"), nanos).map_err(|_| Fault::Broken)?;
    Ok(Some(if nanos == 0 {
        format!("{time:.0}")
    } else {
        format!("{time:.6}")
    }))
}

fn text(bytes: &[u8]) -> Result<String, Fault> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Fault::Broken)
}

/// One value on the wire.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a fixed width; no field here has one.
    Other,
}

/// The values of a message with the numbers of their fields; the last is an error when it is cut off.
struct Parts<'a>(&'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = Result<(u32, Part<'a>), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let part = self.part().ok_or(Fault::Broken);
        if part.is_err() {
            self.0 = &[];
        }
        Some(part)
    }
}

impl<'a> Parts<'a> {
    fn part(&mut self) -> Option<(u32, Part<'a>)> {
        let tag = self.number()?;
        let part = match tag & 7 {
            0 => Part::Number(self.number()?),
            1 => self.bytes(8).map(|_| Part::Other)?,
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Part::Bytes(self.bytes(length)?)
            }
            5 => self.bytes(4).map(|_| Part::Other)?,
            _ => return None,
        };
        Some((u32::try_from(tag >> 3).ok()?, part))
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Seven bits a byte, the lowest first.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for place in 0..10 {
            let byte = *self.bytes(1)?.first()?;
            number |= u64::from(byte & 0x7f).checked_shl(place * 7)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len()).unwrap();
        assert!(length < 0x80);
        [&[number << 3 | 2, length], bytes].concat()
    }

    fn body(version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let types = [field(1, version.as_bytes()), field(2, kind.as_bytes())].concat();
        [MAGIC, &field(1, &types), &field(2, raw), &field(3, b""), &field(4, b"")].concat()
    }

    #[test]
    fn objects_of_core_kinds_are_read() {
        let label = [field(1, b"a"), field(2, b"b")].concat();
        let metadata = [field(1, b"one"), field(2, b""), field(8, b""), field(11, &label)].concat();
        let datum = [field(1, b"key"), field(2, b"value")].concat();
        let raw = [field(1, &metadata), field(2, &datum)].concat();
        assert_eq!(
            read(&body("v1", "ConfigMap", &raw)).unwrap(),
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "labels": {"a": "b"}},
                "data": {"key": "value"},
            })
        );
        assert_eq!(
            read(&body("v1", "Secret", &raw)).unwrap()["data"],
            json!({"key": "dmFsdWU="})
        );
        let rule = [field(1, b"get"), field(2, b""), field(3, b"pods")].concat();
        let role = read(&body("rbac.authorization.k8s.io/v1", "Role", &field(2, &rule))).unwrap();
        assert_eq!(
            role["rules"],
            json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}])
        );
        let seconds = [field(1, b""), field(2, &[4 << 3, 0x90, 0x1c])].concat();
        let token = read(&body("authentication.k8s.io/v1", "TokenRequest", &seconds)).unwrap();
        assert_eq!(token["spec"]["expirationSeconds"], 3_600);
    }

    #[test]
    fn what_is_broken_or_unknown_is_refused() {
        let whole = body("v1", "Namespace", &field(1, &field(1, b"name")));
        assert!(read(&whole).is_ok());
        for length in 0..whole.len() {
            // Cut between two fields it may still make sense; it never panics.
            drop(read(&whole[..length]));
        }
        assert_eq!(read(b"{}"), Err(Fault::Broken));
        assert_eq!(
            read(&body("v1", "Namespace", &field(1, &[0x0a, 0x7f]))),
            Err(Fault::Broken)
        );
        assert_eq!(read(&body("v1", "Namespace", &[0x0f])), Err(Fault::Broken));
        assert_eq!(read(&body("v1", "Namespace", &[0x80; 11])), Err(Fault::Broken));
        assert_eq!(
            read(&body("v1", "Node", b"")),
            Err(Fault::Unknown("Node of v1".to_owned()))
        );
    }
}
