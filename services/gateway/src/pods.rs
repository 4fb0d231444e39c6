//! Pods, as far as there is no kubelet: one for each attempt of a TaskRun, made from its status.

mod project;

use serde_json::Value;
use tidemill_messages::AttemptKey;
use tidemill_objects::{Error, Key, ListQuery, Objects, Scope};
use tidemill_pod::names as pod_names;
use tidemill_resources::{Object, names};

use crate::render::ListHead;

/// One attempt of a TaskRun.
pub(crate) struct Pod {
    task_run: Object,
    attempt: u32,
}

impl Pod {
    pub(crate) fn name(&self) -> String {
        pod_names::pod(self.task_run.name(), self.attempt)
    }

    /// The pod as Kubernetes has it.
    pub(crate) fn to_value(&self) -> Value {
        project::pod(self)
    }

    /// Names of its containers: steps in order, then sidecars.
    pub(crate) fn containers(&self) -> Vec<String> {
        project::containers(self)
            .into_iter()
            .map(|container| container.name)
            .collect()
    }

    /// Whether nothing runs in it any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(project::phase(self), "Succeeded" | "Failed")
    }

    /// Whether anything ran in it yet.
    pub(crate) fn is_started(&self) -> bool {
        project::phase(self) != "Pending"
    }

    pub(crate) fn task_run(&self) -> &Object {
        &self.task_run
    }

    /// The TaskRun's key.
    pub(crate) fn task_run_key(&self) -> Result<Key, Error> {
        Key::of(&self.task_run)
    }

    /// The version of the TaskRun this was made from.
    pub(crate) fn version(&self) -> u64 {
        let version = self.task_run.metadata.resource_version.as_deref();
        version.and_then(|version| version.parse().ok()).unwrap_or_default()
    }

    /// The same attempt in a newer state of its TaskRun.
    pub(crate) fn with(&self, task_run: Object) -> Self {
        Self {
            task_run,
            attempt: self.attempt,
        }
    }

    /// The attempt whose output the pod's containers wrote.
    pub(crate) fn attempt_key(&self) -> AttemptKey {
        let metadata = &self.task_run.metadata;
        let label = |name: &str| metadata.labels.as_ref().and_then(|labels| labels.get(name)).cloned();
        let annotation = metadata
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(names::ANNOTATION_TASK_KEY));
        match (label(names::LABEL_PIPELINE_RUN_UID), label(names::LABEL_PIPELINE_TASK)) {
            (Some(run), Some(task)) => {
                let key = annotation.cloned().unwrap_or(task);
                AttemptKey::new(run, key, self.attempt)
            }
            _ => {
                let uid = metadata.uid.clone().unwrap_or_default();
                AttemptKey::new(uid, self.task_run.name(), self.attempt)
            }
        }
    }

    /// The status of the attempt in that of its TaskRun.
    fn status(&self) -> Option<&Value> {
        let status = self.task_run.rest.get("status")?;
        let past = status
            .get("retriesStatus")
            .and_then(|past| past.get(self.attempt as usize));
        Some(past.unwrap_or(status))
    }

    fn is_past(&self) -> bool {
        self.attempt < attempts(&self.task_run)
    }
}

/// The pod of that name. It is there as soon as its TaskRun is.
pub(crate) async fn find(objects: &Objects, namespace: &str, name: &str) -> Result<Option<Pod>, Error> {
    objects.check_ready()?;
    let Some((prefix, attempt)) = split(name) else {
        return Ok(None);
    };
    let is_its = |task_run: &str| pod_names::pod(task_run, attempt) == name;
    let task_run = if is_its(prefix) {
        Some(prefix.to_owned())
    } else {
        // Long names are shortened: of those that were, find the one.
        let all = objects.names_of("tekton.dev", "taskruns", namespace);
        all.into_iter().find(|task_run| is_its(task_run))
    };
    let Some(task_run) = task_run else { return Ok(None) };
    let key = Key {
        group: "tekton.dev".to_owned(),
        resource: "taskruns".to_owned(),
        namespace: namespace.to_owned(),
        name: task_run,
    };
    let found = objects.get(&key).await?;
    Ok(found
        .filter(|task_run| attempt <= attempts(task_run))
        .map(|task_run| Pod { task_run, attempt }))
}

/// The pods of a page of TaskRuns.
pub(crate) async fn list(objects: &Objects, query: &ListQuery) -> Result<(Vec<Value>, ListHead), Error> {
    let of_task_runs = ListQuery {
        scope: task_runs(&query.scope),
        ..query.clone()
    };
    let list = objects.list(&of_task_runs).await?;
    let pods = list.items.iter().flat_map(started);
    let head = ListHead {
        version: list.resource_version,
        continue_token: list.continue_token,
        remaining: None,
    };
    let values = pods.map(|pod| pod.to_value()).filter(|pod| selected(&query.scope, pod));
    Ok((values.collect(), head))
}

/// The TaskRuns that pods of a scope come from.
pub(crate) fn task_runs(scope: &Scope) -> Scope {
    Scope::new("tekton.dev", "taskruns", scope.namespace.as_deref())
}

/// The pods that an event of a TaskRun is about.
pub(crate) fn changed(task_run: &Object, event: &str, scope: &Scope) -> Vec<Value> {
    let mut pods = started(task_run);
    if event == "MODIFIED" {
        // The current one, and the one before, which may have just ended.
        pods.drain(..pods.len().saturating_sub(2));
    }
    let values = pods.iter().map(Pod::to_value);
    values.filter(|pod| selected(scope, pod)).collect()
}

/// The attempts that were started.
fn started(task_run: &Object) -> Vec<Pod> {
    let pods = (0..=attempts(task_run)).map(|attempt| Pod {
        task_run: task_run.clone(),
        attempt,
    });
    pods.filter(Pod::is_started).collect()
}

fn selected(scope: &Scope, pod: &Value) -> bool {
    let Ok(pod) = serde_json::from_value::<Object>(pod.clone()) else {
        return false;
    };
    let labels = pod.metadata.labels.clone().unwrap_or_default();
    scope.labels.matches(|name| labels.get(name).map(String::as_str)) && scope.fields.matches(&pod)
}

/// The number of the current attempt.
fn attempts(task_run: &Object) -> u32 {
    let past = task_run
        .rest
        .get("status")
        .and_then(|status| status.get("retriesStatus"));
    let count = past.and_then(Value::as_array).map_or(0, Vec::len);
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What stands before the suffix of a pod's name, and the attempt it names.
fn split(pod: &str) -> Option<(&str, u32)> {
    if let Some(prefix) = pod.strip_suffix("-pod") {
        return Some((prefix, 0));
    }
    let (prefix, attempt) = pod.rsplit_once("-pod-retry")?;
    Some((prefix, attempt.parse().ok()?))
}

#[cfg(test)]
mod tests;
