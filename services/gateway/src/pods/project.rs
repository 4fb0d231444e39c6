//! The pod of an attempt as JSON.

use serde_json::{Value, json};
use tidemill_pod::names as pod_names;
use tidemill_resources::names;
use uuid::Uuid;

use super::Pod;

/// A container of a pod.
pub(super) struct Container {
    pub(super) name: String,
    image: String,
}

pub(super) fn pod(pod: &Pod) -> Value {
    let metadata = &pod.task_run.metadata;
    let status = pod.status();
    let field = |name: &str| status.and_then(|status| status.get(name)).cloned().unwrap_or_default();
    let uid = metadata.uid.clone().unwrap_or_default();
    let mut labels = metadata.labels.clone().unwrap_or_default();
    labels.insert(names::LABEL_TASK_RUN.to_owned(), pod.task_run.name().to_owned());
    labels.insert(names::LABEL_TASK_RUN_UID.to_owned(), uid.clone());
    let created = match field("startTime") {
        Value::Null => json!(metadata.creation_timestamp),
        started => started,
    };
    let containers = containers(pod);
    let specs: Vec<Value> = containers
        .iter()
        .map(|container| json!({"name": container.name, "image": container.image}))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": pod.name(), "namespace": pod.task_run.namespace(), "labels": labels,
            "annotations": metadata.annotations, "creationTimestamp": created,
            "resourceVersion": metadata.resource_version,
            "uid": Uuid::new_v5(&uid.parse().unwrap_or_default(), pod.name().as_bytes()).to_string(),
            "ownerReferences": [{
                "apiVersion": pod.task_run.api_version, "kind": pod.task_run.kind, "name": pod.task_run.name(),
                "uid": uid, "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {"containers": specs, "restartPolicy": "Never"},
        "status": {
            "phase": phase(pod), "startTime": field("startTime"),
            "containerStatuses": containers.iter().map(|container| container_status(pod, container)).collect::<Vec<_>>(),
        },
    })
}

/// Steps in order, then sidecars.
pub(super) fn containers(pod: &Pod) -> Vec<Container> {
    let status = pod.status();
    let resolved = status.and_then(|status| status.get("taskSpec"));
    let current = pod
        .task_run
        .rest
        .get("status")
        .and_then(|status| status.get("taskSpec"));
    let written = pod.task_run.rest.get("spec").and_then(|spec| spec.get("taskSpec"));
    let Some(spec) = resolved.or(current).or(written) else {
        return told(status);
    };
    let list = |field: &str| {
        spec.get(field)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate()
    };
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let steps = list("steps").map(|(index, step)| Container {
        name: pod_names::step_container(&text(step, "name"), index),
        image: text(step, "image"),
    });
    let sidecars = list("sidecars").map(|(index, sidecar)| Container {
        name: pod_names::sidecar_container(&text(sidecar, "name"), index),
        image: text(sidecar, "image"),
    });
    steps.chain(sidecars).collect()
}

/// Where the attempt stands.
pub(super) fn phase(pod: &Pod) -> &'static str {
    let Some(status) = pod.status() else { return "Pending" };
    let condition = status.pointer("/conditions/0/status").and_then(Value::as_str);
    let ended = status.get("completionTime").is_some_and(|time| !time.is_null());
    match condition {
        Some("True") => "Succeeded",
        Some("False") => "Failed",
        _ if pod.is_past() || ended => "Failed",
        _ if status.get("startTime").is_some_and(|time| !time.is_null()) => "Running",
        _ => "Pending",
    }
}

fn container_status(pod: &Pod, container: &Container) -> Value {
    let lists = ["steps", "sidecars"];
    let found = lists.iter().find_map(|list| {
        let all = pod.status()?.get(list)?.as_array()?;
        all.iter().find(|one| one["container"] == container.name)
    });
    let state = found.and_then(|found| {
        ["terminated", "running", "waiting"]
            .iter()
            .find_map(|name| found.get(*name).map(|state| json!({*name: state})))
    });
    let running = state.as_ref().is_some_and(|state| state.get("running").is_some());
    json!({
        "name": container.name, "image": container.image, "ready": running, "started": running, "restartCount": 0,
        "imageID": found.and_then(|found| found.get("imageID")).cloned().unwrap_or_else(|| json!("")),
        "state": state.unwrap_or_else(|| json!({"waiting": {"reason": "PodInitializing"}})),
    })
}

/// The containers a status tells of.
fn told(status: Option<&Value>) -> Vec<Container> {
    let list = |field: &str| {
        status
            .and_then(|status| status.get(field))
            .and_then(Value::as_array)
            .cloned()
    };
    let all = ["steps", "sidecars"]
        .into_iter()
        .flat_map(|field| list(field).unwrap_or_default());
    let named = all.filter_map(|one| {
        let name = one.get("container")?.as_str()?.to_owned();
        let image = one
            .get("imageID")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        Some(Container { name, image })
    });
    named.collect()
}
