//! Secrets an expression compares with.
//!
//! Functions outlive the call that hands them over, so they cannot hold the
//! caller's lookups. An expression that needs a secret notes it and fails; it
//! is looked up, and the expression is evaluated again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Name and key of a Secret in the Trigger's namespace.
pub(super) type SecretKey = (String, String);

/// Most secrets one expression may ask for.
pub(super) const SECRETS_MAX: usize = 16;

/// What is known, and what was asked for in vain.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    known: BTreeMap<SecretKey, Vec<u8>>,
    asked: Mutex<Option<SecretKey>>,
}

impl Secrets {
    pub(super) fn new(known: BTreeMap<SecretKey, Vec<u8>>) -> Self {
        Self {
            known,
            asked: Mutex::default(),
        }
    }

    /// The secret; one that is not known is noted.
    pub(super) fn get(&self, key: SecretKey) -> Option<&[u8]> {
        let found = self.known.get(&key).map(Vec::as_slice);
        if found.is_none() {
            *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
        }
        found
    }

    /// The last secret that was asked for in vain.
    pub(super) fn asked(&self) -> Option<SecretKey> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
