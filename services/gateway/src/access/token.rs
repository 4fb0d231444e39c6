//! Tokens of service accounts: signed texts (JWT, HS256) that say whose they are and until when.
//!
//! The key is derived from the gateway's own token: whoever has that one may do everything anyway, and a
//! new one ends all tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use tidemill_objects::{Key, Objects};
use tidemill_resources::Object;
use tidemill_settings::Secret;

use super::User;
use crate::status::Refusal;

const ISSUER: &str = "https://kubernetes.default.svc";
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
/// Seconds a token is good for when nothing is said.
const DEFAULT_S: i64 = 3_600;
/// The least and most seconds that may be asked for.
const SECONDS: std::ops::RangeInclusive<i64> = 600..=31_536_000;
/// Longest token that is read, in bytes.
const MAX_BYTES: usize = 8_192;

/// Makes and checks tokens.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    key: Secret,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Vec<String>,
    iat: i64,
    exp: i64,
    #[serde(rename = "kubernetes.io")]
    account: Account,
}

#[derive(Debug, Serialize, Deserialize)]
struct Account {
    namespace: String,
    serviceaccount: Identity,
}

#[derive(Debug, Serialize, Deserialize)]
struct Identity {
    name: String,
    uid: String,
}

impl Signer {
    pub(crate) fn new(token: &Secret) -> Self {
        let key = sign(token.expose().as_bytes(), b"tokens of service accounts");
        Self { key: Secret::new(key) }
    }

    fn make(&self, claims: &Claims) -> String {
        let body = serde_json::to_vec(claims).unwrap_or_default();
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(body));
        let signature = sign(self.key.expose().as_bytes(), text.as_bytes());
        format!("{text}.{signature}")
    }

    /// The claims of a token that is signed with this key and not over.
    fn read(&self, token: &[u8], now_s: i64) -> Option<Claims> {
        let token = std::str::from_utf8(token)
            .ok()
            .filter(|token| token.len() <= MAX_BYTES)?;
        let (text, signature) = token.rsplit_once('.')?;
        let (header, body) = text.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose().as_bytes()).ok()?;
        mac.update(text.as_bytes());
        mac.verify_slice(&signature).ok()?;
        if URL_SAFE_NO_PAD.decode(header).ok()? != HEADER.as_bytes() {
            return None;
        }
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        (claims.iss == ISSUER && claims.exp > now_s).then_some(claims)
    }

    /// The service account a token is of, if there still is that very one.
    pub(crate) fn user(&self, token: &[u8], objects: &Objects, now_s: i64) -> Option<User> {
        let account = self.read(token, now_s)?.account;
        let known = objects.known(&key(&account.namespace, &account.serviceaccount.name))?;
        let same = known.uid.to_string() == account.serviceaccount.uid && !known.deleting;
        same.then(|| {
            User::service_account(
                &account.namespace,
                &account.serviceaccount.name,
                &account.serviceaccount.uid,
            )
        })
    }
}

/// Answers a `TokenRequest` for an account.
///
/// # Errors
/// 400 for times that make no sense.
pub(crate) fn request(
    signer: &Signer,
    account: &Object,
    request: &Value,
    now: jiff::Timestamp,
) -> Result<Value, Refusal> {
    let asked = request.pointer("/spec/expirationSeconds").and_then(Value::as_i64);
    let seconds = asked.unwrap_or(DEFAULT_S);
    if !SECONDS.contains(&seconds) {
        return Err(Refusal::bad_request(format!(
            "spec.expirationSeconds: {seconds}: expected {} to {}",
            SECONDS.start(),
            SECONDS.end()
        )));
    }
    let audiences = request.pointer("/spec/audiences").cloned().unwrap_or_default();
    let audiences: Vec<String> = serde_json::from_value(audiences).unwrap_or_default();
    let (namespace, name) = (account.namespace(), account.name());
    let until = now.as_second() + seconds;
    let token = signer.make(&Claims {
        iss: ISSUER.to_owned(),
        sub: format!("system:serviceaccount:{namespace}:{name}"),
        aud: if audiences.is_empty() {
            vec![ISSUER.to_owned()]
        } else {
            audiences.clone()
        },
        iat: now.as_second(),
        exp: until,
        account: Account {
            namespace: namespace.to_owned(),
            serviceaccount: Identity {
                name: name.to_owned(),
                uid: account.metadata.uid.clone().unwrap_or_default(),
            },
        },
    });
    let until = jiff::Timestamp::from_second(until).unwrap_or(now);
    Ok(json!({
        "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": format!("{now:.0}")},
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": null},
        "status": {"token": token, "expirationTimestamp": format!("{until:.0}")},
    }))
}

fn key(namespace: &str, name: &str) -> Key {
    Key {
        group: String::new(),
        resource: "serviceaccounts".to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn sign(key: &[u8], text: &[u8]) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(text);
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_believed_as_they_were_made_and_in_time() {
        let signer = Signer::new(&Secret::new("secret"));
        let account: Object = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": "ci", "uid": "u"},
        }))
        .unwrap();
        let now = jiff::Timestamp::from_second(1_000).unwrap();
        let answer = request(&signer, &account, &json!({"spec": {"expirationSeconds": 600}}), now).unwrap();
        assert_eq!(answer["status"]["expirationTimestamp"], "1970-01-01T00:26:40Z");
        let token = answer["status"]["token"].as_str().unwrap();
        let claims = signer.read(token.as_bytes(), 1_599).unwrap();
        assert_eq!(claims.sub, "system:serviceaccount:ci:robot");
        assert!(signer.read(token.as_bytes(), 1_600).is_none(), "it is over");
        assert!(
            Signer::new(&Secret::new("other"))
                .read(token.as_bytes(), 1_000)
                .is_none()
        );
        for place in [0, token.len() / 2, token.len() - 1] {
            let mut forged = token.to_owned().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            assert!(signer.read(&forged, 1_000).is_none(), "{place}");
        }
        for nonsense in ["", ".", "..", "a.b.c"] {
            assert!(signer.read(nonsense.as_bytes(), 0).is_none());
        }
        assert!(request(&signer, &account, &json!({"spec": {"expirationSeconds": 5}}), now).is_err());
    }
}
