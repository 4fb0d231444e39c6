//! What the server sets and keeps in an object, whoever writes it. Pure.

use serde_json::{Value, json};
use tidemill_resources::meta::Time;
use tidemill_resources::{Kind, Object, names};
use uuid::Uuid;

use crate::{Error, Key};

/// Finalizer of run objects: the planner removes it when everything of the run is purged.
pub const RUN_FINALIZER: &str = "tidemill.dev/run";
/// Finalizer that makes a deletion wait for the dependents.
pub const FOREGROUND_FINALIZER: &str = "foregroundDeletion";
/// Finalizer that sets the dependents free before the deletion.
pub const ORPHAN_FINALIZER: &str = "orphan";

/// Finalizer of a namespace that is being deleted, until nothing is left in it.
pub(crate) const NAMESPACE_FINALIZER: &str = "tidemill.dev/content";

/// Which part of an object a writer may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All but the status, where the kind has one of its own.
    Main,
    /// Only the status.
    Status,
    /// Everything: for services, not for users.
    Whole,
}

/// What a new object gets from the server; its name is set already.
pub(crate) fn created(mut object: Object, kind: &Kind, now: Time, uid: Uuid) -> Object {
    object.api_version = kind.api_version();
    if kind.has_status {
        object.rest.remove("status");
    }
    adopt_identity(&mut object, now, uid);
    object.metadata.generation = has_generation(kind).then_some(1);
    if is_run(kind) && is_ours(&object) {
        let finalizers = object.metadata.finalizers.get_or_insert_default();
        if !finalizers.iter().any(|known| known == RUN_FINALIZER) {
            finalizers.push(RUN_FINALIZER.to_owned());
        }
    }
    if (kind.group, kind.kind) == ("", "Namespace") {
        object.rest.insert("status".to_owned(), json!({"phase": "Active"}));
    }
    object
}

/// What a child that a service projects gets: its status and UID are the service's.
pub(crate) fn projected(mut object: Object, kind: &Kind, now: Time, uid: Uuid) -> Object {
    object.api_version = kind.api_version();
    adopt_identity(&mut object, now, uid);
    object.metadata.generation = has_generation(kind).then_some(1);
    object
}

fn adopt_identity(object: &mut Object, now: Time, uid: Uuid) {
    let metadata = &mut object.metadata;
    metadata.uid = Some(uid.to_string());
    metadata.creation_timestamp = Some(now);
    metadata.deletion_timestamp = None;
    metadata.deletion_grace_period_seconds = None;
    metadata.resource_version = None;
    metadata.self_link = None;
}

/// Leaves of `value` what a writer of `part` may change; the rest is that of `old`.
pub(crate) fn confine(value: &mut Value, old: &Object, kind: &Kind, part: Part) {
    match part {
        Part::Status => {
            let status = value.get_mut("status").map(Value::take);
            *value = old.to_value();
            place_status(value, status);
        }
        Part::Main if kind.has_status => place_status(value, old.rest.get("status").cloned()),
        Part::Main | Part::Whole => {}
    }
}

fn place_status(value: &mut Value, status: Option<Value>) {
    let Some(fields) = value.as_object_mut() else { return };
    match status {
        Some(status) => fields.insert("status".to_owned(), status),
        None => fields.remove("status"),
    };
}

/// `new` as it may be stored over `old`.
///
/// # Errors
/// [`Error::Conflict`] when `new` was made from another state, [`Error::Invalid`] when it adds
/// finalizers to an object that is being deleted.
pub(crate) fn updated(key: &Key, kind: &Kind, old: &Object, mut new: Object, part: Part) -> Result<Object, Error> {
    check_preconditions(
        key,
        old,
        new.metadata.uid.as_deref(),
        new.metadata.resource_version.as_deref(),
    )?;
    if part == Part::Status {
        let (status, managers) = (new.rest.remove("status"), new.metadata.managed_fields.take());
        new = old.clone();
        new.metadata.managed_fields = managers;
        set_status(&mut new, status);
    } else if part == Part::Main && kind.has_status {
        set_status(&mut new, old.rest.get("status").cloned());
    }
    let (was, is) = (&old.metadata, &mut new.metadata);
    is.name.clone_from(&was.name);
    is.namespace.clone_from(&was.namespace);
    is.generate_name.clone_from(&was.generate_name);
    is.uid.clone_from(&was.uid);
    is.creation_timestamp.clone_from(&was.creation_timestamp);
    is.deletion_timestamp.clone_from(&was.deletion_timestamp);
    is.deletion_grace_period_seconds = was.deletion_grace_period_seconds;
    is.resource_version.clone_from(&was.resource_version);
    is.generation = was.generation;
    is.self_link = None;
    new.api_version.clone_from(&old.api_version);
    new.kind.clone_from(&old.kind);
    check_finalizers(key, old, &new)?;
    if !same_but_status(old, &new) {
        next_generation(&mut new, kind);
    }
    Ok(new)
}

/// What is wanted has changed: the next generation begins.
pub(crate) fn next_generation(object: &mut Object, kind: &Kind) {
    if has_generation(kind) {
        object.metadata.generation = Some(object.metadata.generation.unwrap_or_default() + 1);
    }
}

/// # Errors
/// [`Error::Conflict`] naming what differs.
pub(crate) fn check_preconditions(
    key: &Key,
    old: &Object,
    uid: Option<&str>,
    version: Option<&str>,
) -> Result<(), Error> {
    let found = old.metadata.uid.as_deref().unwrap_or_default();
    if let Some(uid) = uid.filter(|uid| !uid.is_empty() && *uid != found) {
        return Err(key.conflict(format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {found}"
        )));
    }
    let found = old.metadata.resource_version.as_deref().unwrap_or_default();
    if version.is_some_and(|version| !version.is_empty() && version != found) {
        return Err(
            key.conflict("the object has been modified; please apply your changes to the latest version and try again")
        );
    }
    Ok(())
}

/// Whether the object goes away with its last finalizer, and has none.
pub(crate) fn is_due(object: &Object) -> bool {
    object.metadata.deletion_timestamp.is_some() && object.metadata.finalizers.iter().flatten().next().is_none()
}

/// Whether objects of this kind are runs, which the planner acts on.
pub(crate) fn is_run(kind: &Kind) -> bool {
    kind.group == "tekton.dev" && matches!(kind.kind, "PipelineRun" | "TaskRun")
}

/// A run that names another manager is not acted on, so nobody would remove its finalizer.
fn is_ours(run: &Object) -> bool {
    let manager = run.rest.get("spec").and_then(|spec| spec.get("managedBy"));
    manager.is_none_or(|manager| manager.is_null() || manager == names::MANAGED_BY_TEKTON)
}

/// Core kinds have no generation, except where Kubernetes' own code says otherwise.
fn has_generation(kind: &Kind) -> bool {
    !kind.group.is_empty() && kind.group != "rbac.authorization.k8s.io"
}

fn set_status(object: &mut Object, status: Option<Value>) {
    match status {
        Some(status) => object.rest.insert("status".to_owned(), status),
        None => object.rest.remove("status"),
    };
}

fn same_but_status(old: &Object, new: &Object) -> bool {
    let without = |object: &Object| object.rest.iter().filter(|(name, _)| *name != "status").count();
    without(old) == without(new)
        && old
            .rest
            .iter()
            .all(|(name, value)| name == "status" || new.rest.get(name) == Some(value))
}

fn check_finalizers(key: &Key, old: &Object, new: &Object) -> Result<(), Error> {
    if old.metadata.deletion_timestamp.is_none() {
        return Ok(());
    }
    let known: Vec<&String> = old.metadata.finalizers.iter().flatten().collect();
    match new
        .metadata
        .finalizers
        .iter()
        .flatten()
        .find(|one| !known.contains(one))
    {
        None => Ok(()),
        Some(added) => Err(key.invalid(
            "metadata.finalizers",
            format!("Forbidden: no new finalizers can be added if the object is being deleted, found {added:?}"),
        )),
    }
}
