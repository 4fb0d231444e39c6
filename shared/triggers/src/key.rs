//! Keys and names that come out the same for the same event, however often it is seen.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::event::{Headers, Request, is_signature};

/// Headers by which a sender names a delivery.
const DELIVERY: &[&str] = &["Idempotency-Key", "X-Github-Delivery"];
/// Headers that tell what kind of event it is.
const EVENT_TYPES: &[&str] = &[
    "X-Github-Event",
    "X-Gitlab-Event",
    "X-Event-Key",
    "X-Gitea-Event",
    "Ce-Type",
];
/// Letters of generated names: as Kubernetes has them, no vowels and nothing that looks alike.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Letters after the prefix of a generated name.
const SUFFIX_CHARS: usize = 5;
/// Longest name that is generated, as Kubernetes has it.
const NAME_CHARS: usize = 63;

/// The delivery id a sender gave, if one can be relied upon.
///
/// GitLab's `X-Gitlab-Event-UUID` cannot: hooks caused by hooks share it.
#[must_use]
pub fn delivery_id(headers: &Headers) -> Option<String> {
    let given = |name: &&str| headers.first(name).filter(|id| !id.is_empty());
    if let Some(id) = DELIVERY.iter().find_map(given) {
        return Some(id.to_owned());
    }
    let (source, id) = (given(&"Ce-Source")?, given(&"Ce-Id")?);
    Some(format!("{source}\n{id}"))
}

/// Dedupe key of a request: SHA-256 over the listener, the delivery id, the
/// event's type, the body and every header that vouches for the sender, in hex.
///
/// `nonce` takes the place of the delivery id when the sender gave none: with
/// a new one each time, every such request is an event of its own.
#[must_use]
pub fn event_key(listener_uid: &str, request: &Request, nonce: &str) -> String {
    let mut hash = Sha256::new();
    field(&mut hash, listener_uid.as_bytes());
    match delivery_id(&request.headers) {
        Some(id) => {
            field(&mut hash, b"id");
            field(&mut hash, id.as_bytes());
        }
        None => {
            field(&mut hash, b"nonce");
            field(&mut hash, nonce.as_bytes());
        }
    }
    for (name, values) in request.headers.iter() {
        if EVENT_TYPES.contains(&name) || is_signature(name) {
            field(&mut hash, name.as_bytes());
            for value in values {
                field(&mut hash, value.as_bytes());
            }
        }
    }
    field(&mut hash, b"body");
    field(&mut hash, &request.body);
    hex::encode(hash.finalize())
}

/// The id a sender is told: a redelivery of the same event is told the same.
#[must_use]
pub fn event_id(event_key: &str) -> String {
    derived_uuid(&["event", event_key])
}

/// The value of `$(uid)`: one for each firing of a trigger, the same when the event is evaluated again.
#[must_use]
pub fn firing_uid(event_id: &str, namespace: &str, trigger: &str) -> String {
    derived_uuid(&["firing", event_id, namespace, trigger])
}

/// Name of the object with this index that a trigger makes for an event: `prefix` and five letters.
///
/// `attempt` counts the names that were taken by objects of others.
#[must_use]
pub fn derived_name(event_key: &str, trigger: &str, index: usize, prefix: &str, attempt: u32) -> String {
    let mut hash = Sha256::new();
    for part in [event_key, trigger, &index.to_string(), prefix, &attempt.to_string()] {
        field(&mut hash, part.as_bytes());
    }
    let prefix: String = prefix.chars().take(NAME_CHARS - SUFFIX_CHARS).collect();
    let letters = hash.finalize();
    let suffix = letters.chunks_exact(4).take(SUFFIX_CHARS).map(|bytes| {
        let number = bytes
            .iter()
            .fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        char::from(LETTERS[number % LETTERS.len()])
    });
    prefix.chars().chain(suffix).collect()
}

/// Adds a part with its length, so that no two lists of parts read alike.
fn field(hash: &mut Sha256, part: &[u8]) {
    hash.update(part.len().to_be_bytes());
    hash.update(part);
}

fn derived_uuid(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        field(&mut hash, part.as_bytes());
    }
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &hash.finalize()).to_string()
}

#[cfg(test)]
mod tests;
