//! What a step of the index tells a watcher.

use std::collections::HashSet;

use tidemill_resources::{Kind, Object};

use super::WatchEvent;
use crate::index::{Step, StepKind};
use crate::inner::{Inner, decode};
use crate::{Error, Key, Scope};

/// Reads the body of a step and decides by its fields; `None` when there is nothing to tell.
pub(super) async fn of(
    inner: &Inner,
    scope: &Scope,
    step: Step,
    unseen: &mut HashSet<Key>,
) -> Result<Option<WatchEvent>, Error> {
    let gone = matches!(step.kind, StepKind::Deleted | StepKind::Left);
    let mut body = inner.body(&step.key, step.body).await?;
    if body.is_none() && step.kind == StepKind::Left {
        body = inner.body(&step.key, step.version).await?;
    }
    if gone {
        if unseen.remove(&step.key) {
            return Ok(None);
        }
        let last = body.unwrap_or_else(|| remains(&step));
        return Ok(selected(scope, &last).then(|| deleted(last, step.version)));
    }
    let Some(object) = body else {
        // Overwritten since: the change that did it is behind this one in the ring, or will be.
        if step.kind == StepKind::Added {
            unseen.insert(step.key);
        }
        return Ok(None);
    };
    let added = unseen.remove(&step.key) || step.kind == StepKind::Added;
    if !scope.fields.needs_body() {
        return Ok(Some(upsert(object, added)));
    }
    let before = match step
        .before
        .filter(|_| !added)
        .and_then(|sequence| inner.bodies().peek(sequence))
    {
        Some(body) => selected(scope, &decode(&body, step.version, &step.key)?),
        // Nobody knows any more: one event too many does no harm.
        None => !added,
    };
    Ok(match (before, selected(scope, &object)) {
        (before, true) => Some(upsert(object, !before)),
        (true, false) => Some(deleted(object, step.version)),
        (false, false) => None,
    })
}

fn selected(scope: &Scope, object: &Object) -> bool {
    scope.fields.matches(object)
}

fn upsert(object: Object, added: bool) -> WatchEvent {
    if added {
        WatchEvent::Added(Box::new(object))
    } else {
        WatchEvent::Modified(Box::new(object))
    }
}

fn deleted(mut object: Object, version: u64) -> WatchEvent {
    object.metadata.resource_version = Some(version.to_string());
    WatchEvent::Deleted(Box::new(object))
}

/// What can be said of an object whose body is gone.
fn remains(step: &Step) -> Object {
    let kind = step.key.kind();
    let mut object = Object {
        api_version: kind.map(Kind::api_version).unwrap_or_default(),
        kind: kind.map_or("", |kind| kind.kind).to_owned(),
        ..Object::default()
    };
    object.metadata.name = Some(step.key.name.clone());
    object.metadata.namespace = Some(step.key.namespace.clone()).filter(|namespace| !namespace.is_empty());
    object.metadata.uid = Some(step.uid.to_string());
    object
}
