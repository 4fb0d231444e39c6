//! What a stored object says in its headers, so that a headers-only reader can feed the index.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidemill_bus::{Headers, Stored};
use tidemill_resources::{Kind, Object};
use uuid::Uuid;

use crate::{Cause, Error, Key, Options};

const UID: &str = "Tidemill-Uid";
const WRITE: &str = "Tidemill-Write";
const GENERATION: &str = "Tidemill-Generation";
const LABELS: &str = "Tidemill-Labels";
const OWNERS: &str = "Tidemill-Owners";
const DELETING: &str = "Tidemill-Deleting";
const DELETED: &str = "Tidemill-Deleted";

/// The part of an object that stands in its message's headers, and that the index keeps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    /// Its UID.
    pub uid: Uuid,
    /// Its generation; 0 for kinds that have none.
    pub generation: i64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its owners.
    pub owners: Vec<OwnerHead>,
    /// It has a deletion timestamp.
    pub deleting: bool,
    /// This is the tombstone of an object deleted then.
    pub deleted: Option<Timestamp>,
}

/// An owner as it stands in a header.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct OwnerHead {
    /// Group of its kind.
    #[serde(rename = "g")]
    pub group: String,
    /// Empty when the kind is not known here: then nothing can be said about the owner.
    #[serde(rename = "r")]
    pub resource: String,
    /// Its name.
    #[serde(rename = "n")]
    pub name: String,
    /// Its UID.
    #[serde(rename = "u")]
    pub uid: Uuid,
    /// Its deletion waits for this dependent.
    #[serde(rename = "b", default, skip_serializing_if = "std::ops::Not::not")]
    pub blocks: bool,
}

impl Head {
    /// What the object's metadata says.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a UID that is none, and for labels or owners over their limits.
    pub(crate) fn of(object: &Object, key: &Key, limits: &Options) -> Result<Self, Error> {
        let metadata = &object.metadata;
        let owners = metadata.owner_references.iter().flatten().enumerate();
        let head = Self {
            uid: read_uid(key, "metadata.uid", metadata.uid.as_deref().unwrap_or_default())?,
            generation: metadata.generation.unwrap_or_default(),
            labels: metadata.labels.clone().unwrap_or_default(),
            owners: owners
                .map(|(index, owner)| {
                    let kind = Kind::of(&owner.api_version, &owner.kind);
                    Ok(OwnerHead {
                        group: kind.map_or("", |kind| kind.group).to_owned(),
                        resource: kind.map_or("", |kind| kind.plural).to_owned(),
                        name: owner.name.clone(),
                        uid: read_uid(key, &format!("metadata.ownerReferences[{index}].uid"), &owner.uid)?,
                        blocks: owner.block_owner_deletion.unwrap_or(false),
                    })
                })
                .collect::<Result<_, Error>>()?,
            deleting: metadata.deletion_timestamp.is_some(),
            deleted: None,
        };
        bound(key, "metadata.labels", json(&head.labels).len(), limits.label_bytes)?;
        bound(
            key,
            "metadata.ownerReferences",
            json(&head.owners).len(),
            limits.owner_bytes,
        )?;
        Ok(head)
    }

    /// Reads it back; `None` when the message is no object of ours.
    pub fn read(stored: &Stored) -> Option<Self> {
        let parsed = |name| stored.header(name).map(str::to_owned);
        Some(Self {
            uid: stored.header(UID)?.parse().ok()?,
            generation: parsed(GENERATION).map_or(Some(0), |text| text.parse().ok())?,
            labels: parsed(LABELS).map_or(Some(BTreeMap::new()), |text| serde_json::from_str(&text).ok())?,
            owners: parsed(OWNERS).map_or(Some(Vec::new()), |text| serde_json::from_str(&text).ok())?,
            deleting: stored.header(DELETING).is_some(),
            deleted: parsed(DELETED).map_or(Some(None), |text| text.parse().ok().map(Some))?,
        })
    }

    /// As headers, with the id of the write that stores it.
    pub(crate) fn headers(&self, write: Uuid) -> Headers {
        let mut headers = vec![
            (UID.to_owned(), self.uid.to_string()),
            (WRITE.to_owned(), write.to_string()),
        ];
        let mut push = |name: &str, value: String| headers.push((name.to_owned(), value));
        if self.generation != 0 {
            push(GENERATION, self.generation.to_string());
        }
        if !self.labels.is_empty() {
            push(LABELS, json(&self.labels));
        }
        if !self.owners.is_empty() {
            push(OWNERS, json(&self.owners));
        }
        if self.deleting {
            push(DELETING, "true".to_owned());
        }
        if let Some(at) = self.deleted {
            push(DELETED, at.to_string());
        }
        headers
    }
}

/// The id of the write that stored a message.
pub(crate) fn write_of(stored: &Stored) -> Option<Uuid> {
    stored.header(WRITE)?.parse().ok()
}

/// Whether a message is the tombstone of a deleted object.
pub(crate) fn is_tombstone(stored: &Stored) -> bool {
    stored.header(DELETED).is_some()
}

fn read_uid(key: &Key, field: &str, uid: &str) -> Result<Uuid, Error> {
    uid.parse()
        .map_err(|_| key.invalid(field, format!("Invalid value: {uid:?}: must be a UUID")))
}

fn bound(key: &Key, field: &str, size: usize, limit: usize) -> Result<(), Error> {
    if size <= limit {
        return Ok(());
    }
    Err(Error::Invalid {
        group: key.group.clone(),
        kind: key.kind().map_or("", |kind| kind.kind).to_owned(),
        name: key.name.clone(),
        causes: vec![Cause {
            field: field.to_owned(),
            reason: "FieldValueTooLong",
            message: format!("Too long: has {size} bytes, may have {limit}"),
        }],
    })
}

/// JSON in ASCII: header values are lines, and not every client takes more.
fn json<T: serde::Serialize>(value: &T) -> String {
    // Maps and lists of texts always are JSON.
    let text = serde_json::to_string(value).unwrap_or_default();
    if text.is_ascii() {
        return text;
    }
    let mut ascii = String::with_capacity(text.len() * 2);
    for letter in text.chars() {
        if letter.is_ascii() {
            ascii.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            uid: Uuid::from_u128(7),
            generation: 3,
            labels: BTreeMap::from([("k".to_owned(), "ü𝄞\n".to_owned())]),
            owners: vec![OwnerHead {
                group: "tekton.dev".to_owned(),
                resource: "pipelineruns".to_owned(),
                name: "run".to_owned(),
                uid: Uuid::from_u128(9),
                blocks: true,
            }],
            deleting: true,
            deleted: Some(Timestamp::UNIX_EPOCH),
        }
    }

    fn stored(headers: Headers) -> Stored {
        Stored {
            subject: String::new(),
            sequence: 1,
            time: Timestamp::UNIX_EPOCH,
            headers,
            payload: bytes::Bytes::new(),
            reply: None,
        }
    }

    #[test]
    fn headers_come_back() {
        for head in [head(), Head::default()] {
            let stored = stored(head.headers(Uuid::from_u128(1)));
            assert!(
                stored
                    .headers
                    .iter()
                    .all(|(_, value)| value.is_ascii() && !value.contains('\n'))
            );
            assert_eq!(write_of(&stored), Some(Uuid::from_u128(1)));
            assert_eq!(is_tombstone(&stored), head.deleted.is_some());
            assert_eq!(Head::read(&stored), Some(head));
        }
    }

    #[test]
    fn damaged_headers_are_not_guessed() {
        for (name, value) in [
            (UID, "x"),
            (GENERATION, "x"),
            (LABELS, "{"),
            (OWNERS, "{}"),
            (DELETED, "soon"),
        ] {
            let mut headers = head().headers(Uuid::nil());
            for header in headers.iter_mut().filter(|(header, _)| header == name) {
                header.1 = value.to_owned();
            }
            assert_eq!(Head::read(&stored(headers)), None, "{name}");
        }
        assert_eq!(Head::read(&stored(Vec::new())), None);
    }
}
