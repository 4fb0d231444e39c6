//! Secrets and what is proved with them, in constant time.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

use super::{Asked, SecretRef, Stop};
use crate::lookup::{Found, Lookups, Need};

/// The value of a key of a Secret in the Trigger's namespace. An empty one proves nothing and fails.
pub(super) fn value(secret: &SecretRef, asked: &Asked<'_>) -> Result<Vec<u8>, Stop> {
    read(asked.lookups, asked.namespace, &secret.secret_name, &secret.secret_key)
}

/// The value of a key of a Secret.
pub(crate) fn read(lookups: &dyn Lookups, namespace: &str, name: &str, key: &str) -> Result<Vec<u8>, Stop> {
    if name.is_empty() || key.is_empty() {
        return Err(Stop::Failed("its secretRef needs secretName and secretKey".to_owned()));
    }
    let need = Need::Secret {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        key: key.to_owned(),
    };
    match lookups.look(&need) {
        None => Err(Stop::Pending(need)),
        Some(Found::Secret(value)) if value.is_empty() => Err(Stop::Failed(format!("{} is empty", need.describe()))),
        Some(Found::Secret(value)) => Ok(value),
        Some(Found::Failed(why)) => Err(Stop::Failed(format!("{} cannot be read: {why}", need.describe()))),
        Some(_) => Err(Stop::Failed(format!("there is no {}", need.describe()))),
    }
}

/// Whether two texts are the same; takes as long for nearly equal ones as for others.
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// Whether `signature`, such as `sha256=<hex>`, is the HMAC of `body`. `accepted` are the algorithms.
pub(super) fn signed(signature: &str, body: &[u8], key: &[u8], accepted: &[&str]) -> Result<(), String> {
    let Some((algorithm, digest)) = signature.split_once('=') else {
        return Err("is not written <algorithm>=<hex>".to_owned());
    };
    if !accepted.contains(&algorithm) {
        return Err(format!("is of none of the algorithms {}", accepted.join(", ")));
    }
    let digest = hex::decode(digest).map_err(|_| "is not hexadecimal".to_owned())?;
    let matches = match algorithm {
        "sha1" => verify::<Hmac<Sha1>>(key, body, &digest),
        "sha256" => verify::<Hmac<Sha256>>(key, body, &digest),
        _ => verify::<Hmac<Sha512>>(key, body, &digest),
    };
    matches
        .then_some(())
        .ok_or_else(|| "does not match the body".to_owned())
}

fn verify<M: Mac + KeyInit>(key: &[u8], body: &[u8], digest: &[u8]) -> bool {
    // Keys of any length are taken, so this cannot fail.
    <M as KeyInit>::new_from_slice(key).is_ok_and(|mac| mac.chain_update(body).verify_slice(digest).is_ok())
}
