//! Writing status: objects are projections of the run's log (P6).

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use tidemill_engine::{ProjectedStatus, RunObject, RunState, RunStatus};
use tidemill_objects::{Key, is_done};
use tidemill_resources::meta::Condition;
use tidemill_resources::{Object, names};

use crate::Error;
use crate::facts::run_key;
use crate::planner::Planner;
use crate::retry::until_done;
use crate::slim::Detail;

/// What is to be written; taken from one state, so that it fits together.
#[derive(Default)]
pub(crate) struct Writes {
    children: Vec<Object>,
    run: Option<RunWrite>,
}

struct RunWrite {
    key: Key,
    uid: String,
    status: ProjectedStatus,
}

impl Planner {
    /// What the status named by `dirty` is now (task, `None`: the run).
    pub(crate) fn writes(&self, state: &RunState, dirty: &BTreeMap<Option<String>, bool>) -> Writes {
        let mut writes = Writes::default();
        for task in dirty.keys() {
            match task {
                Some(task) => writes.children.extend(child(state, task)),
                None => writes.run = run(state),
            }
        }
        writes
    }

    /// Writes them: the children at once, then the run, so that a run that is over has no child that
    /// is not. Only status is touched, and labels and annotations are added; only what we told of releases is
    /// told anew.
    pub(crate) async fn write(&self, writes: Writes) -> Result<(), Error> {
        stream::iter(writes.children)
            .map(|child| self.write_child(child))
            .buffer_unordered(self.settings.concurrent_writes)
            .try_collect::<()>()
            .await?;
        match writes.run {
            Some(run) => self.write_run(run).await,
            None => Ok(()),
        }
    }

    /// With as much detail as fits into an object.
    async fn write_child(&self, mut child: Object) -> Result<(), Error> {
        for detail in Detail::ALL {
            if let Some(status) = child.rest.get_mut("status") {
                detail.cut(status);
            }
            let put = || async { Ok(self.objects.put_projection(&child).await?) };
            let written = until_done(&self.stopping, put).await;
            if !is_too_large(&written, detail) {
                return settled(written);
            }
        }
        Ok(())
    }

    /// With as much detail as fits into an object.
    async fn write_run(&self, run: RunWrite) -> Result<(), Error> {
        for detail in Detail::ALL {
            let change = |object: &mut Object| merge(object, &run.status, detail);
            let modify = || async { Ok(self.objects.modify(&run.key, &run.uid, change).await?) };
            let written = until_done(&self.stopping, modify).await;
            if !is_too_large(&written, detail) {
                return settled(written);
            }
        }
        Ok(())
    }
}

fn is_too_large(written: &Result<Object, Error>, detail: Detail) -> bool {
    let Err(Error::Objects(error @ tidemill_objects::Error::TooLarge { .. })) = written else {
        return false;
    };
    tracing::warn!(%error, ?detail, "A status is too large for its object; less of it is shown.");
    true
}

/// What somebody deleted, or whose name somebody else has, is not ours to write.
fn settled(written: Result<Object, Error>) -> Result<(), Error> {
    match written {
        Err(Error::Objects(error)) if error.is_not_found() => Ok(()),
        Err(Error::Objects(error @ tidemill_objects::Error::AlreadyExists { .. })) => {
            tracing::warn!(%error, "The status of a task cannot be shown.");
            Ok(())
        }
        outcome => outcome.map(drop),
    }
}

fn child(state: &RunState, task: &str) -> Option<Object> {
    let child = tidemill_engine::project_task_run(state, task).ok()?;
    Object::try_from(&child).ok()
}

/// `None` before the run was observed, and when another controller acts on it.
fn run(state: &RunState) -> Option<RunWrite> {
    let managed_by = match state.run()? {
        RunObject::PipelineRun(run) => run.spec.managed_by.as_deref(),
        RunObject::TaskRun(run) => run.spec.managed_by.as_deref(),
    };
    if managed_by.is_some_and(|name| name != names::MANAGED_BY_TEKTON) {
        return None;
    }
    Some(RunWrite {
        key: run_key(state.kind()?, state.namespace(), state.name()),
        uid: state.uid().to_owned(),
        status: tidemill_engine::project_run(state),
    })
}

fn merge(object: &mut Object, projected: &ProjectedStatus, detail: Detail) {
    let (status, over) = match &projected.status {
        RunStatus::PipelineRun(status) => (serde_json::to_value(status), is_over(status.condition())),
        RunStatus::TaskRun(status) => (serde_json::to_value(status), is_over(status.condition())),
    };
    // A planner that knows less comes late: what is over stays over.
    if is_done(object) && !over {
        return;
    }
    // A status consists of texts, numbers, lists and maps: it always is JSON.
    if let Ok(mut status) = status {
        detail.cut(&mut status);
        if over && let Some(generation) = object.metadata.generation {
            // Nothing newer will be looked at: `kubectl wait` must not wait for it.
            status["observedGeneration"] = generation.into();
        }
        object.rest.insert("status".to_owned(), status);
    }
    add(&mut object.metadata.labels, &projected.labels);
    add(&mut object.metadata.annotations, &projected.annotations);
    if !projected.told.is_empty() {
        let present = object.metadata.annotations.get_or_insert_default();
        present.extend(projected.told.clone());
    }
}

fn is_over(condition: Option<&Condition>) -> bool {
    condition.is_some_and(Condition::is_done)
}

fn add(present: &mut Option<BTreeMap<String, String>>, gained: &BTreeMap<String, String>) {
    if gained.is_empty() {
        return;
    }
    let present = present.get_or_insert_default();
    for (name, value) in gained {
        present.entry(name.clone()).or_insert_with(|| value.clone());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidemill_resources::PipelineRunStatus;

    use super::*;

    #[test]
    fn what_is_told_again_takes_the_place_of_what_was_told() {
        let mut object: Object = serde_json::from_value(json!({
            "apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
            "metadata": {"name": "run", "annotations": {"own": "kept", "tidemill.dev/releases": "mill/demo"}},
        }))
        .unwrap();
        let pair = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        let projected = ProjectedStatus {
            status: RunStatus::PipelineRun(Box::<PipelineRunStatus>::default()),
            labels: BTreeMap::new(),
            annotations: pair("own", "of the pipeline"),
            told: pair("tidemill.dev/releases", "mill/demo, rolled back to revision 4"),
        };
        merge(&mut object, &projected, Detail::ALL[0]);
        let annotations = object.metadata.annotations.unwrap();
        assert_eq!(annotations["own"], "kept");
        assert_eq!(
            annotations["tidemill.dev/releases"],
            "mill/demo, rolled back to revision 4"
        );
    }
}
