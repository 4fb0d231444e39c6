//! What the engine's things are called, and the labels by which ours are known.

use std::collections::HashMap;
use std::path::Path;

use tidemill_messages::AttemptKey;
use uuid::Uuid;

use super::directory::short_name;

/// Label: the installation a container or volume belongs to.
pub(super) const PLACE: &str = "tidemill.dev/place";
/// Label: the attempt, as JSON.
pub(super) const ATTEMPT: &str = "tidemill.dev/attempt";
/// Label: the attempt's short name.
const SHORT: &str = "tidemill.dev/attempt-name";
/// Label of a volume: the claim it stands for, `<namespace>/<name>`.
pub(super) const CLAIM: &str = "tidemill.dev/claim";

/// Names of an installation's things.
#[derive(Clone, Debug)]
pub(super) struct Place {
    name: String,
}

/// Names of an attempt's things.
#[derive(Clone, Debug)]
pub(super) struct Names {
    place: Place,
    key: AttemptKey,
    short: String,
}

impl Place {
    /// The installation whose state lies in `directory`: all its runners share it.
    pub(super) fn new(directory: &Path) -> Self {
        let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, directory.as_os_str().as_encoded_bytes());
        Self {
            name: name.simple().to_string()[..12].to_owned(),
        }
    }

    /// What it is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Labels of what belongs to no attempt.
    pub(super) fn labels(&self) -> HashMap<String, String> {
        HashMap::from([(PLACE.to_owned(), self.name.clone())])
    }

    /// The filter for all of the installation.
    pub(super) fn label(&self) -> String {
        format!("{PLACE}={}", self.name)
    }

    /// The volume of a claim.
    pub(super) fn claim(&self, namespace: &str, claim: &str) -> String {
        format!("tidemill-{}-{namespace}-{claim}", self.name)
    }

    /// Labels of the volume of a claim.
    pub(super) fn claim_labels(&self, namespace: &str, claim: &str) -> HashMap<String, String> {
        HashMap::from([
            (PLACE.to_owned(), self.name.clone()),
            (CLAIM.to_owned(), format!("{namespace}/{claim}")),
        ])
    }
}

impl Names {
    /// Of an attempt of the installation.
    pub(super) fn new(place: &Place, key: &AttemptKey) -> Self {
        Self {
            place: place.clone(),
            key: key.clone(),
            short: short_name(key),
        }
    }

    /// A container or volume of the attempt.
    pub(super) fn of(&self, part: &str) -> String {
        format!("tidemill-{}-{part}", &self.short[..16])
    }

    /// The container of the supervisor.
    pub(super) fn supervisor(&self) -> String {
        self.of("pod")
    }

    /// Labels of all of the attempt.
    pub(super) fn labels(&self) -> HashMap<String, String> {
        let key = serde_json::to_string(&self.key).unwrap_or_default();
        HashMap::from([
            (PLACE.to_owned(), self.place.name.clone()),
            (ATTEMPT.to_owned(), key),
            (SHORT.to_owned(), self.short.clone()),
        ])
    }

    /// The filter for all of the attempt.
    pub(super) fn label(&self) -> String {
        format!("{SHORT}={}", self.short)
    }
}

/// The attempt a container or volume belongs to.
pub(super) fn attempt_of(labels: &HashMap<String, String>) -> Option<AttemptKey> {
    serde_json::from_str(labels.get(ATTEMPT)?).ok()
}
