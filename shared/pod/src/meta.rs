//! Labels, annotations and owner of the pod.

use std::collections::BTreeMap;

use tidemill_messages::{StartTask, plan};
use tidemill_resources::names::{LABEL_MANAGED_BY, LABEL_TASK_RUN, LABEL_TASK_RUN_UID, MANAGED_BY, TEKTON_V1};
use tidemill_resources::{ObjectMeta, OwnerReference};

use crate::{ANNOTATION_ATTEMPT, ANNOTATION_RELEASE, names};

/// Annotations with these prefixes stay on the TaskRun.
const NOT_COPIED: [&str; 2] = ["kubectl.kubernetes.io/last-applied-configuration", "chains.tekton.dev/"];

pub(crate) fn of(command: &StartTask, plan: String) -> ObjectMeta {
    let task_run = &command.task_run;
    ObjectMeta {
        name: Some(names::pod(&task_run.name, command.attempt)),
        namespace: Some(command.run.namespace.clone()),
        labels: Some(labels(command)),
        annotations: Some(annotations(command, plan)),
        owner_references: Some(vec![OwnerReference {
            api_version: TEKTON_V1.to_owned(),
            kind: "TaskRun".to_owned(),
            name: task_run.name.clone(),
            uid: task_run.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }]),
        ..ObjectMeta::default()
    }
}

fn labels(command: &StartTask) -> BTreeMap<String, String> {
    let task_run = &command.task_run;
    let mut labels: BTreeMap<String, String> = task_run
        .labels
        .iter()
        .map(|(key, value)| (key.clone(), names::label_value(value)))
        .collect();
    labels
        .entry(LABEL_MANAGED_BY.to_owned())
        .or_insert_with(|| MANAGED_BY.to_owned());
    labels.insert(LABEL_TASK_RUN.to_owned(), names::label_value(&task_run.name));
    labels.insert(LABEL_TASK_RUN_UID.to_owned(), task_run.uid.clone());
    labels
}

fn annotations(command: &StartTask, plan: String) -> BTreeMap<String, String> {
    let copied = command
        .task_run
        .annotations
        .iter()
        .filter(|(key, _)| !NOT_COPIED.iter().any(|prefix| key.starts_with(prefix)));
    let mut annotations: BTreeMap<String, String> = copied.map(|(key, value)| (key.clone(), value.clone())).collect();
    annotations.insert(ANNOTATION_RELEASE.to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    annotations.insert(ANNOTATION_ATTEMPT.to_owned(), command.key().to_string());
    annotations.insert(plan::ANNOTATION.to_owned(), plan);
    annotations
}
