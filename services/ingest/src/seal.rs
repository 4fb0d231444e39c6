//! Sealing credentials before they are stored.
//!
//! The tokens of senders are needed again whenever an event is evaluated, also after a crash, so
//! they are encrypted (AES-256-GCM) rather than checked at intake and thrown away: the interceptors
//! of a listener may read any header, at any time. Each value is bound to its event.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use tidemill_settings::Secret;

use crate::Error;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// What sealed values begin with.
const PREFIX: &str = "sealed:v1:";

/// Seals and opens values with one key.
pub struct Sealer {
    key: LessSafeKey,
    mac: hmac::Key,
    random: SystemRandom,
}

/// A new key, as the setting `seal-key` takes it.
///
/// # Errors
/// [`Error::Random`].
pub fn new_key() -> Result<Secret, Error> {
    let mut bytes = [0_u8; KEY_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(Secret::new(hex::encode(bytes)))
}

impl Sealer {
    /// From the key of the settings.
    ///
    /// # Errors
    /// [`Error::Setting`] when it is not 64 hexadecimal digits.
    pub fn new(key: &Secret) -> Result<Self, Error> {
        let wrong = || Error::Setting {
            key: "seal-key",
            message: format!("must be {} hexadecimal digits", 2 * KEY_BYTES),
        };
        let bytes = hex::decode(key.expose()).map_err(|_| wrong())?;
        let unbound = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| wrong())?;
        Ok(Self {
            key: LessSafeKey::new(unbound),
            mac: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
            random: SystemRandom::new(),
        })
    }

    /// What takes a listener's UID's place in dedupe keys. These hash credentials and are shown:
    /// without the sealing key nobody can try out tokens on them.
    pub(crate) fn salted(&self, listener_uid: &str) -> String {
        hex::encode(hmac::sign(&self.mac, listener_uid.as_bytes()))
    }

    /// Seals a value for the event with this key.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub(crate) fn seal(&self, event_key: &str, value: &str) -> Result<String, Error> {
        let mut nonce = [0_u8; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| Error::Random)?;
        let mut bytes = value.as_bytes().to_vec();
        let seal = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(seal, Aad::from(event_key.as_bytes()), &mut bytes)
            .map_err(|_| Error::Random)?;
        let whole = [&nonce[..], &bytes].concat();
        Ok(format!("{PREFIX}{}", BASE64_STANDARD.encode(whole)))
    }

    /// Opens what [`Sealer::seal`] gave for the same event.
    ///
    /// # Errors
    /// [`Error::Sealed`].
    pub(crate) fn open(&self, event_key: &str, sealed: &str) -> Result<String, Error> {
        let text = sealed.strip_prefix(PREFIX).ok_or(Error::Sealed)?;
        let whole = BASE64_STANDARD.decode(text).map_err(|_| Error::Sealed)?;
        let (nonce, bytes) = whole.split_at_checked(NONCE_LEN).ok_or(Error::Sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::Sealed)?;
        let mut bytes = bytes.to_vec();
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(event_key.as_bytes()), &mut bytes)
            .map_err(|_| Error::Sealed)?;
        String::from_utf8(opened.to_vec()).map_err(|_| Error::Sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_event_open() {
        let sealer = Sealer::new(&new_key().unwrap()).unwrap();
        let sealed = sealer.seal("e1", "the token").unwrap();
        assert!(!sealed.contains("token"));
        assert_ne!(sealed, sealer.seal("e1", "the token").unwrap());
        assert_eq!(sealer.open("e1", &sealed).unwrap(), "the token");
        assert!(sealer.open("e2", &sealed).is_err());
        let other = Sealer::new(&new_key().unwrap()).unwrap();
        assert!(other.open("e1", &sealed).is_err());
        assert_ne!(other.salted("u"), sealer.salted("u"));
        for broken in ["", "sealed:v1:", "sealed:v1:AAAA", "the token"] {
            assert!(sealer.open("e1", broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        for key in ["", "abc", "zz", &"ab".repeat(31)] {
            assert!(Sealer::new(&Secret::new(key)).is_err(), "{key}");
        }
    }
}
