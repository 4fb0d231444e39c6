//! What may change in an object that exists.

use crate::object::{Object, PipelineRun, TaskRun};
use crate::path::At;
use crate::pipeline_run::PipelineRunSpecStatus;
use crate::problem::{Problem, Problems};
use crate::task_run::TaskRunSpecStatus;

const STARTED: &str = "has started, only status updates are allowed";

/// Refuses an update that names another object than the one stored.
pub fn same_object(old: &Object, new: &Object, problems: &mut Problems) {
    let at = At::ROOT.key("metadata");
    let mut fixed = |field: &str, is_same: bool, was: &str| {
        if !is_same {
            problems.add(Problem::error(at.key(field), "cannot change").expected(format!("{was:?}")));
        }
    };
    fixed("name", old.metadata.name == new.metadata.name, old.name());
    fixed(
        "namespace",
        old.metadata.namespace == new.metadata.namespace,
        old.namespace(),
    );
    let uid = old.metadata.uid.as_deref().unwrap_or_default();
    fixed("uid", new.metadata.uid.as_deref().is_none_or(|new| new == uid), uid);
    if old.kind != new.kind {
        problems.add(Problem::error(At::ROOT.key("kind"), "cannot change").expected(format!("{:?}", old.kind)));
    }
}

/// Refuses changes to a PipelineRun that may have started.
///
/// A run that is pending has not; any other may start at any moment, so its
/// spec is fixed but for `status`.
pub fn pipeline_run_update(old: &PipelineRun, new: &PipelineRun, problems: &mut Problems) {
    let at = At::ROOT.key("spec");
    manager(old.spec.managed_by.as_deref(), new.spec.managed_by.as_deref(), problems);
    let started = old.status.as_ref().is_some_and(|status| status.start_time.is_some());
    let was_pending = old.spec.status == Some(PipelineRunSpecStatus::Pending) && !started;
    if was_pending {
        return;
    }
    if new.spec.status == Some(PipelineRunSpecStatus::Pending) {
        problems.add(Problem::error(
            at.key("status"),
            "a PipelineRun cannot be pending again once it was started",
        ));
    }
    let mut comparable = new.spec.clone();
    comparable.status = old.spec.status;
    comparable.managed_by.clone_from(&old.spec.managed_by);
    if comparable != old.spec {
        problems.add(Problem::error(at, format!("Once the PipelineRun {STARTED}")));
    }
}

/// Refuses changes to a TaskRun that may have started.
pub fn task_run_update(old: &TaskRun, new: &TaskRun, problems: &mut Problems) {
    let at = At::ROOT.key("spec");
    manager(old.spec.managed_by.as_deref(), new.spec.managed_by.as_deref(), problems);
    let started = old.status.as_ref().is_some_and(|status| status.start_time.is_some());
    let was_pending = old.spec.status == Some(TaskRunSpecStatus::Pending) && !started;
    if was_pending {
        return;
    }
    if new.spec.status == Some(TaskRunSpecStatus::Pending) {
        problems.add(Problem::error(
            at.key("status"),
            "a TaskRun cannot be pending again once it was started",
        ));
    }
    let mut comparable = new.spec.clone();
    comparable.status = old.spec.status;
    comparable.status_message.clone_from(&old.spec.status_message);
    comparable.managed_by.clone_from(&old.spec.managed_by);
    if comparable != old.spec {
        problems.add(Problem::error(at, format!("Once the TaskRun {STARTED}")));
    }
}

fn manager(old: Option<&str>, new: Option<&str>, problems: &mut Problems) {
    if old != new {
        let at = At::ROOT.key("spec");
        let problem = Problem::error(at.key("managedBy"), "is immutable");
        problems.add(match old {
            Some(old) => problem.expected(format!("{old:?}")),
            None => problem.expected("no value, as when it was created"),
        });
    }
}
