//! Kinds of the core group.

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, ServiceAccount};

use super::text::is_data_key;
use crate::path::At;
use crate::problem::{Problem, Problems};

/// Bytes a Secret or ConfigMap may hold.
pub const DATA_BYTES_MAX: usize = 1024 * 1024;

/// Checks a Secret: its keys, its size, and the keys its type promises.
pub fn secret(secret: &Secret, problems: &mut Problems) {
    let data = secret
        .data
        .iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.0.len()));
    keys(data, At::ROOT.key("data"), problems);
    let has = |key: &str| secret.data.as_ref().is_some_and(|data| data.contains_key(key));
    let (needed, one_is_enough): (&[&str], bool) = match secret.type_.as_deref() {
        Some("kubernetes.io/basic-auth") => (&["username", "password"], true),
        Some("kubernetes.io/ssh-auth") => (&["ssh-privatekey"], false),
        Some("kubernetes.io/dockerconfigjson") => (&[".dockerconfigjson"], false),
        Some("kubernetes.io/dockercfg") => (&[".dockercfg"], false),
        Some("kubernetes.io/tls") => (&["tls.crt", "tls.key"], false),
        _ => (&[], false),
    };
    let is_met = if one_is_enough {
        needed.iter().any(|key| has(key))
    } else {
        needed.iter().all(|key| has(key))
    };
    if !is_met {
        let joined = needed.join(if one_is_enough { " or " } else { " and " });
        let kind = secret.type_.as_deref().unwrap_or_default();
        problems.add(
            Problem::error(
                At::ROOT.key("data"),
                format!("a Secret of type {kind} without its keys"),
            )
            .expected(joined),
        );
    }
}

/// Checks a ConfigMap: its keys and its size.
pub fn config_map(map: &ConfigMap, problems: &mut Problems) {
    let texts = map
        .data
        .iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.len()));
    keys(texts, At::ROOT.key("data"), problems);
    let bytes = map
        .binary_data
        .iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.0.len()));
    keys(bytes, At::ROOT.key("binaryData"), problems);
    for key in map.binary_data.iter().flatten().map(|(key, _)| key) {
        if map.data.as_ref().is_some_and(|data| data.contains_key(key)) {
            let at = At::ROOT.key("binaryData");
            problems.add(Problem::error(at.key(key), format!("{key:?} stands in data too")));
        }
    }
}

/// Checks a ServiceAccount: the Secrets it names.
pub fn service_account(account: &ServiceAccount, problems: &mut Problems) {
    let secrets = At::ROOT.key("secrets");
    for (index, secret) in account.secrets.iter().flatten().enumerate() {
        if secret.name.as_deref().unwrap_or_default().is_empty() {
            problems.add(Problem::error(secrets.index(index).key("name"), "is missing"));
        }
    }
}

/// Checks a PersistentVolumeClaim: size and access.
pub fn persistent_volume_claim(claim: &PersistentVolumeClaim, problems: &mut Problems) {
    let at = At::ROOT.key("spec");
    let spec = claim.spec.clone().unwrap_or_default();
    if spec.access_modes.as_deref().unwrap_or_default().is_empty() {
        problems.add(Problem::error(at.key("accessModes"), "is missing").expected("for example [ReadWriteOnce]"));
    }
    for (index, mode) in spec.access_modes.iter().flatten().enumerate() {
        if !matches!(
            mode.as_str(),
            "ReadWriteOnce" | "ReadOnlyMany" | "ReadWriteMany" | "ReadWriteOncePod"
        ) {
            problems.add(
                Problem::error(at.key("accessModes").index(index), format!("{mode:?} is not known"))
                    .expected("ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod"),
            );
        }
    }
    let requests = spec
        .resources
        .and_then(|resources| resources.requests)
        .unwrap_or_default();
    if !requests.contains_key("storage") {
        let (resources, requests) = ("resources", "requests");
        problems.add(
            Problem::error(at.key(resources).key(requests).key("storage"), "is missing").expected("a size such as 1Gi"),
        );
    }
}

fn keys<'a>(entries: impl Iterator<Item = (&'a str, usize)>, at: At<'_>, problems: &mut Problems) {
    let mut bytes = 0;
    for (key, size) in entries {
        bytes += key.len() + size;
        if !is_data_key(key) {
            problems.add(
                Problem::error(at.key(key), format!("{key:?} cannot be a key"))
                    .expected("letters, digits, dashes, dots and underscores, at most 253"),
            );
        }
    }
    if bytes > DATA_BYTES_MAX {
        problems.add(Problem::error(at, format!("{bytes} bytes")).expected(format!("at most {DATA_BYTES_MAX}")));
    }
}
