//! What is submitted to the cluster for an attempt: its pod as `tidemill_pod` made it, and a Secret with
//! its assignment. Pure.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{
    Affinity, Pod, PodAffinity, PodAffinityTerm, Secret, SecretVolumeSource, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use sha2::{Digest, Sha256};
use tidemill_messages::AttemptKey;
use tidemill_messages::assignment::Assignment;
use tidemill_messages::{encode, plan};
use tidemill_pod::kubernetes::implicit::DOWNWARD_PATH;
use tidemill_pod::kubernetes::{self, Delivery};
use tidemill_pod::{ANNOTATION_ATTEMPT, names};

use super::refusal::CREATION;
use crate::backend::Error;

/// Label of everything in a cluster that runners of one place made: a digest of the place.
pub(super) const LABEL_PLACE: &str = "tidemill.dev/place";
/// Label of pods that runners of one place keep after their end, instead of [`LABEL_PLACE`].
const LABEL_KEPT: &str = "tidemill.dev/kept-by";
/// Label: a digest of the attempt, whose key is in the annotation of its name.
const LABEL_ATTEMPT: &str = "tidemill.dev/attempt-digest";
/// Prefix of labels that name a claim only one node can mount; the value is the run's digest.
const LABEL_CLAIM: &str = "tidemill.dev/claim-";
/// Plans up to this size are in the pod's own words too; larger ones in the Secret alone.
const MAX_ANNOTATION_BYTES: usize = 64 * 1024;
/// What a Secret may hold, and some room for its other fields.
const MAX_SECRET_BYTES: usize = 1024 * 1024 - 16 * 1024;
const VOLUME: &str = "tidemill-downward";
const KEY: &str = "assignment";

/// What an installation wants of all pods.
pub(super) struct Wishes<'a> {
    pub(super) place: &'a str,
    pub(super) delivery: &'a Delivery,
    pub(super) owner_references: bool,
    /// Claims of the pod that only one node can mount.
    pub(super) one_node_claims: &'a [String],
}

/// A pod and the Secret it needs.
pub(super) struct Submission {
    pub(super) pod: Pod,
    pub(super) secret: Secret,
}

/// Makes both.
///
/// # Errors
/// [`Error::Task`] for a pod that cannot be delivered or an assignment too large for a Secret.
pub(super) fn of(pod: &Pod, assignment: &Assignment, wishes: &Wishes<'_>) -> Result<Submission, Error> {
    let mut pod = pod.clone();
    kubernetes::deliver(&mut pod, wishes.delivery, !assignment.credentials.is_empty())
        .map_err(|error| refused(error.reason(), error.to_string()))?;
    let key = &assignment.attempt;
    let labels = labels(wishes.place, key);
    pod.metadata.labels.get_or_insert_default().extend(labels.clone());
    if !wishes.owner_references {
        pod.metadata.owner_references = None;
    }
    let annotations = pod.metadata.annotations.get_or_insert_default();
    if annotations
        .get(plan::ANNOTATION)
        .is_some_and(|plan| plan.len() > MAX_ANNOTATION_BYTES)
    {
        annotations.remove(plan::ANNOTATION);
    }
    let name = secret_name(pod.metadata.name.as_deref().unwrap_or_default(), key);
    use_secret(&mut pod, &name);
    gather(&mut pod, key, wishes.one_node_claims);
    let bytes = encode(KEY, assignment).map_err(|error| refused(CREATION, error.to_string()))?;
    if bytes.len() > MAX_SECRET_BYTES {
        return Err(refused(
            CREATION,
            format!(
                "scripts, credentials and secret values of the task have {} bytes; a pod gets at most {MAX_SECRET_BYTES} \
                 of them: move large files into a workspace or a ConfigMap",
                bytes.len()
            ),
        ));
    }
    let mut secret = Secret {
        data: Some([(KEY.to_owned(), ByteString(bytes))].into()),
        immutable: Some(true),
        ..Secret::default()
    };
    secret.metadata.name = Some(name);
    secret.metadata.namespace.clone_from(&pod.metadata.namespace);
    secret.metadata.labels = Some(labels);
    secret.metadata.annotations = Some([(ANNOTATION_ATTEMPT.to_owned(), key.to_string())].into());
    Ok(Submission { pod, secret })
}

/// Name of the Secret of an attempt's pod. Of the attempt, not of the pod alone: the Secret cannot be changed, so a kubelet
/// that still has the one of an earlier run of the same name never asks for another of this name.
pub(super) fn secret_name(pod: &str, key: &AttemptKey) -> String {
    // A Secret may have 253 characters, a pod here at most 63.
    format!("{pod}-{}", digest(&key.to_string()))
}

/// Selects what runners of this place made.
pub(super) fn place_selector(place: &str) -> String {
    selector(place_label(place))
}

/// The label of what runners of this place made.
pub(super) fn place_label(place: &str) -> [(String, String); 1] {
    [(LABEL_PLACE.to_owned(), digest(place))]
}

/// The label of pods that runners of this place keep.
pub(super) fn kept_label(place: &str) -> (String, String) {
    (LABEL_KEPT.to_owned(), digest(place))
}

/// The label of what belongs to an attempt.
pub(super) fn attempt_label(key: &AttemptKey) -> (String, String) {
    (LABEL_ATTEMPT.to_owned(), digest(&key.to_string()))
}

/// Selects what belongs to an attempt.
pub(super) fn attempt_selector(place: &str, key: &AttemptKey) -> String {
    selector(labels(place, key))
}

/// Selects what has all of these labels.
pub(super) fn selector(labels: impl IntoIterator<Item = (String, String)>) -> String {
    let all: Vec<String> = labels
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    all.join(",")
}

fn labels(place: &str, key: &AttemptKey) -> BTreeMap<String, String> {
    [(LABEL_PLACE.to_owned(), digest(place)), attempt_label(key)].into()
}

/// The assignment instead of the plan: one volume, that nobody reads who may only read pods.
fn use_secret(pod: &mut Pod, name: &str) {
    let Some(spec) = &mut pod.spec else { return };
    let volumes = spec.volumes.get_or_insert_default();
    volumes.retain(|volume| volume.name != VOLUME);
    volumes.push(Volume {
        name: VOLUME.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(name.to_owned()),
            // Steps may run as anybody.
            default_mode: Some(0o444),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    });
    let containers = spec
        .containers
        .iter_mut()
        .chain(spec.init_containers.iter_mut().flatten());
    for container in containers {
        let mounts = container.volume_mounts.get_or_insert_default();
        let has = mounts
            .iter()
            .any(|mount: &VolumeMount| mount.mount_path == DOWNWARD_PATH);
        debug_assert!(
            has || mounts.iter().all(|mount| mount.name != VOLUME),
            "the mount moved"
        );
    }
}

/// Brings pods of a run that mount the same claim at the same time onto one node.
fn gather(pod: &mut Pod, key: &AttemptKey, claims: &[String]) {
    if claims.is_empty() {
        return;
    }
    let run = digest(&key.run_uid);
    let labels = pod.metadata.labels.get_or_insert_default();
    let mut terms = Vec::new();
    for claim in claims {
        let label = format!("{LABEL_CLAIM}{}", digest(claim));
        labels.insert(label.clone(), run.clone());
        terms.push(PodAffinityTerm {
            label_selector: Some(LabelSelector {
                match_labels: Some([(label, run.clone())].into()),
                ..LabelSelector::default()
            }),
            topology_key: "kubernetes.io/hostname".to_owned(),
            ..PodAffinityTerm::default()
        });
    }
    let Some(spec) = &mut pod.spec else { return };
    let affinity = spec.affinity.get_or_insert_with(Affinity::default);
    let pods = affinity.pod_affinity.get_or_insert_with(PodAffinity::default);
    pods.required_during_scheduling_ignored_during_execution
        .get_or_insert_default()
        .extend(terms);
}

/// A digest short enough for labels and long enough not to meet another's.
fn digest(text: &str) -> String {
    names::label_value(&hex(&Sha256::digest(text.as_bytes())[..16]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn refused(reason: &str, message: String) -> Error {
    Error::Task {
        reason: reason.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests;
