//! Claims that pods mount.
//!
//! A claim made from a run's template is a record of the planner's in Tidemill's store; here it becomes a
//! claim of the cluster, made when the first pod wants it and removed when its record is gone. All others
//! are the cluster's own.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use tidemill_resources::Object;

use super::cluster::{call, code, place};
use super::{Shared, refusal, submission};
use crate::backend::Error;

/// Annotation of a claim that stands for a directory of the host.
const ANNOTATION_HOST_PATH: &str = "tidemill.dev/host-path";

/// Makes sure that the pod's claims are there; gives those that only one node can mount.
///
/// # Errors
/// [`Error::Task`] for a claim that is nowhere, or cannot be in a cluster.
pub(super) async fn provide(shared: &Shared, namespace: &str, pod: &Pod) -> Result<Vec<String>, Error> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let names = volumes.filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.clone()));
    let mut one_node = Vec::new();
    for name in names {
        let claim = match find(shared, namespace, &name).await? {
            Some(claim) => claim,
            None => create(shared, namespace, &name).await?,
        };
        if shared.settings.coschedule && !is_shared(&claim) {
            one_node.push(name);
        }
    }
    Ok(one_node)
}

/// Removes claims of ours whose record is gone.
pub(super) async fn sweep(shared: &Shared, namespace: Option<&str>) -> Result<(), Error> {
    let client = shared.cluster.client.clone();
    let all: Api<PersistentVolumeClaim> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let selector = ListParams::default().labels(&submission::place_selector(&shared.place));
    for claim in call("list claims", all.list_metadata(&selector)).await?.items {
        let meta = claim.metadata;
        let (namespace, name) = (meta.namespace.unwrap_or_default(), meta.name.unwrap_or_default());
        if shared.records.claim_record(&namespace, &name).await?.is_none() {
            let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &namespace);
            call("delete a claim", claims.delete(&name, &DeleteParams::default())).await?;
        }
    }
    Ok(())
}

async fn find(shared: &Shared, namespace: &str, name: &str) -> Result<Option<PersistentVolumeClaim>, Error> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(shared.cluster.client.clone(), namespace);
    call("read a claim", claims.get_opt(name)).await
}

async fn create(shared: &Shared, namespace: &str, name: &str) -> Result<PersistentVolumeClaim, Error> {
    let Some(record) = shared.records.claim_record(namespace, name).await? else {
        return Err(refused(format!(
            "PersistentVolumeClaim \"{name}\" is not in namespace \"{namespace}\" of the cluster; create it, or bind a \
             volumeClaimTemplate"
        )));
    };
    let claim = body(shared, record)?;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(shared.cluster.client.clone(), namespace);
    match claims.create(&PostParams::default(), &claim).await {
        Ok(created) => Ok(created),
        // Another task of the run was first.
        Err(error) if code(&error) == Some(409) => Ok(claim),
        Err(error) => match refusal::of(name, error) {
            Error::Task { reason, message } => Err(Error::Task {
                reason,
                message: format!("claim {name}: {message}"),
            }),
            other => Err(other),
        },
    }
}

/// The claim of the cluster for a record.
fn body(shared: &Shared, record: Object) -> Result<PersistentVolumeClaim, Error> {
    let meta = &record.metadata;
    let annotations = meta.annotations.clone().unwrap_or_default();
    if annotations.contains_key(ANNOTATION_HOST_PATH) {
        return Err(refused(format!(
            "claim \"{}\" stands for a directory of the host that the command was run on, which pods cannot see; bind \
             a claim of the cluster, or run the task on another backend",
            record.name()
        )));
    }
    let value = serde_json::to_value(&record).map_err(place("read the record of a claim"))?;
    let whole: PersistentVolumeClaim = serde_json::from_value(value).map_err(place("read the record of a claim"))?;
    let mut claim = PersistentVolumeClaim {
        spec: whole.spec,
        ..PersistentVolumeClaim::default()
    };
    claim.metadata.name = Some(record.name().to_owned());
    claim.metadata.namespace = Some(record.namespace().to_owned());
    claim.metadata.annotations = Some(annotations);
    let mut labels = meta.labels.clone().unwrap_or_default();
    labels.extend(submission::place_label(&shared.place));
    claim.metadata.labels = Some(labels);
    Ok(claim)
}

fn is_shared(claim: &PersistentVolumeClaim) -> bool {
    let modes = claim.spec.iter().flat_map(|spec| spec.access_modes.iter().flatten());
    modes
        .into_iter()
        .any(|mode| mode == "ReadWriteMany" || mode == "ReadOnlyMany")
}

fn refused(message: String) -> Error {
    Error::Task {
        reason: refusal::CREATION.to_owned(),
        message,
    }
}
