//! Headers: names in canonical case, each with all its values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Headers that never leave the store readable.
const CREDENTIALS: &[&str] = &["Authorization", "Cookie", "Proxy-Authorization", "X-Gitlab-Token"];
/// Parts of names that tell of a credential.
const SECRET_PARTS: &[&str] = &["token", "secret", "password", "api-key", "apikey"];

/// Headers of a request; names are canonical, such as `X-Gitlab-Event`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Vec<String>>")]
pub struct Headers(BTreeMap<String, Vec<String>>);

impl Headers {
    /// Adds a value after those the header has.
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        self.0.entry(canonical(name)).or_default().push(value.into());
    }

    /// The first value of a header, its name in any case.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.get(&canonical(name))?.first().map(String::as_str)
    }

    /// Every header in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// Replaces the values of every header that carries a credential.
    #[must_use]
    pub fn sealed(&self, seal: impl Fn(&str) -> String) -> Self {
        let headers = self.0.iter().map(|(name, values)| {
            let values = match is_credential(name) {
                true => values.iter().map(|value| seal(value)).collect(),
                false => values.clone(),
            };
            (name.clone(), values)
        });
        Self(headers.collect())
    }
}

impl<N: AsRef<str>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::default();
        for (name, value) in pairs {
            headers.add(name.as_ref(), value);
        }
        headers
    }
}

impl From<BTreeMap<String, Vec<String>>> for Headers {
    fn from(given: BTreeMap<String, Vec<String>>) -> Self {
        given
            .into_iter()
            .flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)))
            .collect()
    }
}

/// The canonical form of a header's name, as Go has it: a capital after each dash.
///
/// A name with a space, or with a character no name may have, stays as it is.
#[must_use]
pub fn canonical(name: &str) -> String {
    if !name.bytes().all(is_token) {
        return name.to_owned();
    }
    let mut capital = true;
    name.chars()
        .map(|c| {
            let c = if capital {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            };
            capital = c == '-';
            c
        })
        .collect()
}

/// Whether a header carries a credential: it is stored sealed and never shown.
#[must_use]
pub fn is_credential(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    CREDENTIALS.iter().any(|known| known.eq_ignore_ascii_case(name))
        || SECRET_PARTS.iter().any(|part| lower.contains(part))
}

/// Whether a header vouches for the sender: it is part of the dedupe key, so
/// that a forged request cannot take the place of a real one.
#[must_use]
pub fn is_signature(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    is_credential(name) || lower.contains("signature") || lower.contains("hmac")
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
