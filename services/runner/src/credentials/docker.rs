//! `.docker/config.json`.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tidemill_messages::sandbox::{Content, File};

use super::{SecretObject, private};

const CONFIG_JSON: (&str, &str) = ("kubernetes.io/dockerconfigjson", ".dockerconfigjson");
const CONFIG: (&str, &str) = ("kubernetes.io/dockercfg", ".dockercfg");

/// Credentials for registries so far; a later one for the same registry does not replace an earlier.
#[derive(Default)]
pub(super) struct Registries {
    auths: Map<String, Value>,
}

impl Registries {
    /// A user for `registry`.
    pub(super) fn basic(&mut self, registry: &str, user: Cow<'_, str>, password: Cow<'_, str>) -> bool {
        let auth = STANDARD.encode(format!("{user}:{password}"));
        let entry = json!({"username": user, "password": password, "auth": auth});
        self.auths.entry(registry).or_insert(entry);
        true
    }

    /// The entries of docker's own files.
    pub(super) fn own(&mut self, secret: &SecretObject, name: &str, notes: &mut Vec<String>) -> bool {
        let Some((_, key)) = [CONFIG_JSON, CONFIG].into_iter().find(|(kind, _)| *kind == secret.kind) else {
            return false;
        };
        let file = secret.data.get(key).map(AsRef::as_ref).unwrap_or_default();
        let read: Option<Value> = serde_json::from_slice(file).ok();
        let auths = match read {
            Some(Value::Object(mut whole)) if secret.kind == CONFIG_JSON.0 => match whole.remove("auths") {
                Some(Value::Object(auths)) => auths,
                _ => Map::new(),
            },
            Some(Value::Object(whole)) => whole,
            _ => {
                notes.push(format!(
                    "Secret \"{name}\" of type {} holds no JSON object under `{key}`: its credentials are missing",
                    secret.kind
                ));
                return false;
            }
        };
        for (registry, entry) in auths {
            self.auths.entry(registry).or_insert(entry);
        }
        true
    }

    /// Passwords, and what they look like in the file.
    pub(super) fn masked(&self) -> Vec<Content> {
        let texts = self.auths.values().flat_map(|entry| {
            let auth = entry.get("auth").and_then(Value::as_str);
            let decoded = auth.and_then(|auth| STANDARD.decode(auth).ok());
            let of_auth = decoded.and_then(|pair| Some(String::from_utf8(pair).ok()?.split_once(':')?.1.to_owned()));
            let password = entry.get("password").and_then(Value::as_str).map(str::to_owned);
            [auth.map(str::to_owned), of_auth, password].into_iter().flatten()
        });
        texts.map(|text| Content(text.into_bytes())).collect()
    }

    pub(super) fn file(self) -> Option<File> {
        if self.auths.is_empty() {
            return None;
        }
        let whole = json!({"auths": self.auths});
        Some(private(".docker/config.json", whole.to_string()))
    }
}
