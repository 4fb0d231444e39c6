//! Steps as users of nats-server: an account of their own, one user an attempt.
//!
//! User code never reaches JetStream. The steps' account ([`ACCOUNT`]) has no streams; it may ask one
//! thing of ours (`step.report.>`) and hear one (`step.tell.>`), and each of its users only those of
//! its own attempt. Nobody is configured: nats-server asks whoever keeps the door
//! ([`Bus::keep_door`]) about each connection that is none of ours (its auth callout), and that one
//! answers with a user made for the attempt that the [`Issuer`]'s token names, as long as that attempt
//! is not over.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use nkeys::KeyPair;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tidemill_messages::{AttemptKey, subject};

use crate::{Bus, Error, MAX_MESSAGE_BYTES, Stored};

/// The account of the steps.
pub const ACCOUNT: &str = "STEPS";
/// The account of everything else.
pub const OWN_ACCOUNT: &str = "TIDEMILL";
/// Where nats-server asks who somebody is.
const DOOR: &str = "$SYS.REQ.USER.AUTH";
/// All who keep the door are one: any of them answers.
const KEEPERS: &str = "tidemill-door";
/// How long a connection is good for; whoever still needs one asks again and is let in again, unless the
/// attempt is over by then.
const LIFETIME: Duration = Duration::from_secs(600);
/// Subscriptions of a step: its inbox and what it is told.
const MAX_SUBSCRIPTIONS: u32 = 4;

/// Makes and knows the tokens of attempts, and signs their users.
pub struct Issuer {
    key: KeyPair,
    /// What tokens are sealed with.
    seal: [u8; 32],
}

impl Issuer {
    /// From the seed of an account's nkey (`SA…`), whose public key nats-server was configured with.
    ///
    /// # Errors
    /// [`Error::Invalid`], without the seed.
    pub fn from_seed(seed: &str) -> Result<Self, Error> {
        let invalid = || Error::Invalid {
            what: "seed of the steps' issuer",
            value: "(not shown)".to_owned(),
            expected: "the seed of an account's nkey, SA…",
        };
        let key = KeyPair::from_seed(seed.trim()).map_err(|_| invalid())?;
        if !key.public_key().starts_with('A') {
            return Err(invalid());
        }
        let seal = Sha256::new_with_prefix(b"tidemill steps\0").chain_update(seed.trim());
        Ok(Self {
            key,
            seal: seal.finalize().into(),
        })
    }

    /// A seed nobody else has.
    pub fn new_seed() -> String {
        // A key pair made here has its seed.
        KeyPair::new_account().seed().unwrap_or_default()
    }

    /// What nats-server is configured with.
    pub fn public_key(&self) -> String {
        self.key.public_key()
    }

    /// Lets in as `attempt`, as long as that is not over.
    pub fn token(&self, attempt: &AttemptKey) -> String {
        let text = BASE64.encode(json!([attempt.run_uid, attempt.task, attempt.attempt]).to_string());
        let seal = BASE64.encode(self.sealed(&text));
        format!("{text}.{seal}")
    }

    /// The attempt of a token of ours.
    pub fn attempt_of(&self, token: &str) -> Option<AttemptKey> {
        let (text, seal) = token.split_once('.')?;
        let seal = BASE64.decode(seal).ok()?;
        let expected = self.sealed(text);
        let differing = seal.iter().zip(&expected).fold(0, |all, (a, b)| all | (a ^ b));
        if seal.len() != expected.len() || differing != 0 {
            return None;
        }
        let (run_uid, task, attempt) = serde_json::from_slice(&BASE64.decode(text).ok()?).ok()?;
        Some(AttemptKey { run_uid, task, attempt })
    }

    /// HMAC-SHA256; the key has half a block.
    fn sealed(&self, text: &str) -> [u8; 32] {
        let pad = |byte: u8| {
            let mut block = [byte; 64];
            block.iter_mut().zip(self.seal).for_each(|(pad, key)| *pad ^= key);
            block
        };
        let inner = Sha256::new_with_prefix(pad(0x36)).chain_update(text).finalize();
        Sha256::new_with_prefix(pad(0x5c)).chain_update(inner).finalize().into()
    }

    /// The server's question answered: the user of `attempt`, or a refusal.
    fn answer(
        &self,
        question: &Question,
        attempt: Option<&AttemptKey>,
        now_s: i64,
    ) -> Result<String, nkeys::error::Error> {
        let mut verdict = json!({"type": "authorization_response", "version": 2});
        match attempt {
            Some(attempt) => verdict["jwt"] = self.user(question, attempt, now_s)?.into(),
            None => verdict["error"] = "no attempt that runs has this token".into(),
        }
        self.signed(json!({
            "jti": question.nats.user_nkey, "iat": now_s, "iss": self.public_key(),
            "aud": question.nats.server_id.id, "sub": question.nats.user_nkey, "nats": verdict,
        }))
    }

    fn user(&self, question: &Question, attempt: &AttemptKey, now_s: i64) -> Result<String, nkeys::error::Error> {
        let lifetime_s = i64::try_from(LIFETIME.as_secs()).unwrap_or(i64::MAX);
        self.signed(json!({
            "jti": question.nats.user_nkey, "iat": now_s, "exp": now_s.saturating_add(lifetime_s),
            "iss": self.public_key(), "aud": ACCOUNT, "sub": question.nats.user_nkey,
            "name": attempt.to_string(),
            "nats": {
                "pub": {"allow": [subject::step_report(attempt)]},
                "sub": {"allow": [subject::step_tell(attempt), format!("{}.*", subject::step_inbox(attempt))]},
                "subs": MAX_SUBSCRIPTIONS, "data": -1, "payload": MAX_MESSAGE_BYTES,
                "allowed_connection_types": ["STANDARD"],
                "type": "user", "version": 2,
            },
        }))
    }

    /// A JWT as nats-server writes it.
    fn signed(&self, claims: Value) -> Result<String, nkeys::error::Error> {
        let head = BASE64.encode(r#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
        let text = format!("{head}.{}", BASE64.encode(claims.to_string()));
        let signature = self.key.sign(text.as_bytes())?;
        Ok(format!("{text}.{}", BASE64.encode(signature)))
    }
}

/// What nats-server asks, as far as it matters.
#[derive(Deserialize)]
struct Question {
    nats: Asked,
}

#[derive(Deserialize)]
struct Asked {
    server_id: ServerId,
    user_nkey: String,
    #[serde(default)]
    connect_opts: ConnectOptions,
}

#[derive(Deserialize)]
struct ServerId {
    id: String,
}

#[derive(Default, Deserialize)]
struct ConnectOptions {
    #[serde(default)]
    auth_token: String,
}

impl Question {
    /// From the claims of a JWT. Its signature is not looked at: only nats-server and we ourselves can
    /// ask here, and the answer is of use to the server alone.
    fn of(request: &Stored) -> Option<Self> {
        let text = std::str::from_utf8(&request.payload).ok()?;
        serde_json::from_slice(&BASE64.decode(text.split('.').nth(1)?).ok()?).ok()
    }
}

impl Bus {
    /// Answers nats-server about steps that want in, until the bus is closed: those whose attempt `runs`
    /// says is not over are let in as that attempt. Any number may keep the door.
    ///
    /// # Errors
    /// [`Error::Disconnected`] after [`Bus::close`].
    pub async fn keep_door<F>(&self, issuer: &Issuer, runs: impl Fn(AttemptKey) -> F) -> Result<(), Error>
    where
        F: Future<Output = bool>,
    {
        let mut questions = self.subscribe(DOOR, Some(KEEPERS)).await?;
        loop {
            let request = questions.next().await?;
            let (Some(question), Some(reply)) = (Question::of(&request), request.reply.clone()) else {
                continue;
            };
            let named = issuer.attempt_of(&question.nats.connect_opts.auth_token);
            let attempt = match named {
                Some(attempt) if runs(attempt.clone()).await => Some(attempt),
                _ => None,
            };
            match issuer.answer(&question, attempt.as_ref(), self.now().as_second()) {
                Ok(answer) => self.answer(reply, answer.into()).await?,
                Err(error) => tracing::warn!(%error, "A step's credentials cannot be signed."),
            }
        }
    }
}

/// The part of nats-server's configuration that makes it so, for `users` (the text of a list) and the
/// issuer's public key.
pub fn configuration(users: &str, own_user: &str, issuer: &str) -> String {
    let (reports, tells) = (subject::ALL_STEP_REPORTS, subject::ALL_STEP_TELLS);
    format!(
        r#"accounts {{
  {OWN_ACCOUNT} {{
    jetstream: enabled
    users: {users}
    exports: [
      {{ service: "{reports}", accounts: [{ACCOUNT}] }}
      {{ stream: "{tells}", accounts: [{ACCOUNT}] }}
    ]
  }}
  {ACCOUNT} {{
    imports: [
      {{ service: {{ account: {OWN_ACCOUNT}, subject: "{reports}" }} }}
      {{ stream: {{ account: {OWN_ACCOUNT}, subject: "{tells}" }} }}
    ]
  }}
}}

authorization {{
  timeout: 5
  auth_callout {{ issuer: {issuer}, account: {OWN_ACCOUNT}, auth_users: ["{own_user}"] }}
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_attempt_and_cannot_be_changed() {
        let issuer = Issuer::from_seed(&Issuer::new_seed()).unwrap();
        let attempt = AttemptKey::new("run", "a task.*", 2);
        let token = issuer.token(&attempt);
        assert_eq!(issuer.attempt_of(&token), Some(attempt.clone()));
        let other = issuer.token(&AttemptKey::new("run", "a task.*", 3));
        let (text, _) = other.split_once('.').unwrap();
        let (_, seal) = token.split_once('.').unwrap();
        assert_eq!(issuer.attempt_of(&format!("{text}.{seal}")), None);
        assert_eq!(issuer.attempt_of(&format!("{text}.")), None);
        assert_eq!(issuer.attempt_of(""), None);
        let stranger = Issuer::from_seed(&Issuer::new_seed()).unwrap();
        assert_eq!(stranger.attempt_of(&token), None);
    }

    #[test]
    fn a_seed_that_is_none_is_refused_and_not_shown() {
        for seed in ["", "hunter2", &KeyPair::new_user().seed().unwrap()] {
            let error = Issuer::from_seed(seed).err().unwrap().to_string();
            assert!(seed.is_empty() || !error.contains(seed), "{error}");
        }
    }
}
