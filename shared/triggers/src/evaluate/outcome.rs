//! What became of an event at one trigger.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lookup::Need;

/// What one trigger decided, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TriggerOutcome {
    /// Namespace of the trigger.
    pub namespace: String,
    /// Name of the trigger; empty for one without a name.
    pub trigger: String,
    /// Who has to make the objects; empty: the default ServiceAccount.
    #[serde(default)]
    pub service_account: String,
    /// What was decided.
    pub decision: Decision,
    /// What the author of the trigger should know.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// What was decided. The reasons are sentences without a full stop, and hold no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Decision {
    /// These objects are to be made, in this order; the first that cannot be ends it.
    Accepted {
        /// The objects; those with `generateName` have no name yet.
        objects: Vec<Value>,
    },
    /// The event is not meant for this trigger.
    Filtered {
        /// The interceptor.
        by: String,
        /// Why.
        why: String,
    },
    /// The sender could not prove to be one.
    Refused {
        /// The interceptor.
        by: String,
        /// Why.
        why: String,
    },
    /// The trigger, or something it relies on, is at fault.
    Failed {
        /// An interceptor, `bindings` or `template`.
        at: String,
        /// Why.
        why: String,
    },
    /// Not decided: evaluate again once this is known.
    Pending {
        /// What has to be known.
        need: Need,
    },
}

impl TriggerOutcome {
    pub(crate) fn new(namespace: &str, trigger: &str, decision: Decision) -> Self {
        Self {
            namespace: namespace.to_owned(),
            trigger: trigger.to_owned(),
            service_account: String::new(),
            decision,
            warnings: Vec::new(),
        }
    }

    /// What has to be found out before this is decided.
    #[must_use]
    pub fn need(&self) -> Option<&Need> {
        match &self.decision {
            Decision::Pending { need } => Some(need),
            _ => None,
        }
    }
}

impl Decision {
    /// One line such as `filtered by cel: body.ref == 'refs/heads/main' was false`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Accepted { objects } => format!("accepted, {} objects", objects.len()),
            Self::Filtered { by, why } => format!("filtered by {by}: {why}"),
            Self::Refused { by, why } => format!("refused by {by}: {why}"),
            Self::Failed { at, why } => format!("failed at {at}: {why}"),
            Self::Pending { need } => format!("waits for {}", need.describe()),
        }
    }
}
