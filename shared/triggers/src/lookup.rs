//! What evaluation has to be told about the world.
//!
//! Evaluation does no I/O: it asks a [`Lookups`]. What that does not know yet
//! makes the trigger's decision [`Pending`](crate::Decision::Pending) with the
//! [`Need`] in it; the caller finds it out, adds it and evaluates again.
//! Evaluation is pure, so the second time goes the same way further.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidemill_resources::Object;

use crate::event::Headers;

/// Most rounds a caller should evaluate one event in, finding out needs in between.
pub const ROUNDS_MAX: usize = 64;

/// One thing that has to be known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Need {
    /// A key of a Secret.
    Secret {
        /// Namespace of the Secret.
        namespace: String,
        /// Name of the Secret.
        name: String,
        /// Key in it.
        key: String,
    },
    /// An object of `triggers.tekton.dev`.
    Object {
        /// Its kind, such as `TriggerTemplate`.
        kind: String,
        /// Its namespace; empty for objects of the cluster.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The answer to an HTTP request.
    Call(Call),
}

/// A POST to an interceptor that runs elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Call {
    /// Address.
    pub url: String,
    /// Headers in the order they are sent.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// Certificates to trust, PEM in base64; empty for the usual ones.
    pub ca_bundle: String,
}

/// An answer to a [`Need`].
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Bytes of the Secret's key.
    Secret(Vec<u8>),
    /// The object.
    Object(Box<Object>),
    /// What an interceptor answered.
    Reply(Reply),
    /// There is no such thing.
    Absent,
    /// It could not be found out, and will not be by asking again; why.
    Failed(String),
}

/// What an interceptor answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: Headers,
    /// Body.
    pub body: Vec<u8>,
}

/// Answers needs.
pub trait Lookups {
    /// The answer, or nothing when it is not known yet.
    fn look(&self, need: &Need) -> Option<Found>;
}

/// Answers that were found out before.
#[derive(Clone, Debug, Default)]
pub struct Known {
    found: BTreeMap<Need, Found>,
    complete: bool,
}

impl Known {
    /// Answers with nothing beside them: what is not added is absent.
    #[must_use]
    pub fn complete() -> Self {
        Self {
            complete: true,
            ..Self::default()
        }
    }

    /// Adds an answer.
    pub fn add(&mut self, need: Need, found: Found) {
        self.found.insert(need, found);
    }

    /// Adds an object under its own kind, namespace and name.
    pub fn add_object(&mut self, object: Object) {
        let need = Need::Object {
            kind: object.kind.clone(),
            namespace: object.namespace().to_owned(),
            name: object.name().to_owned(),
        };
        self.add(need, Found::Object(Box::new(object)));
    }

    /// Adds the text values of a Secret; `data` has to be decoded already.
    pub fn add_secret(&mut self, namespace: &str, name: &str, key: &str, value: impl Into<Vec<u8>>) {
        let need = Need::Secret {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            key: key.to_owned(),
        };
        self.add(need, Found::Secret(value.into()));
    }
}

impl Lookups for Known {
    fn look(&self, need: &Need) -> Option<Found> {
        let found = self.found.get(need).cloned();
        found.or_else(|| self.complete.then_some(Found::Absent))
    }
}

impl Need {
    /// What is needed, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Secret { namespace, name, key } => format!("key {key:?} of Secret {namespace}/{name}"),
            Self::Object { kind, namespace, name } if namespace.is_empty() => format!("{kind} {name}"),
            Self::Object { kind, namespace, name } => format!("{kind} {namespace}/{name}"),
            Self::Call(call) => format!("the answer of {}", call.url),
        }
    }
}

/// JSON out of an interceptor's answer.
pub(crate) fn reply_json(reply: &Reply) -> Option<Value> {
    serde_json::from_slice(&reply.body).ok()
}
