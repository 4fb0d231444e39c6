//! Time limits of a run and of its attempts.

use tidemill_resources::{Duration, PipelineTask};

use crate::run_object::RunObject;

/// Time limits of a run; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Of the whole run, from its start.
    pub(crate) pipeline: Option<Duration>,
    /// Of the graph, from the run's start.
    pub(crate) tasks: Option<Duration>,
    /// Of `finally`, from its own start.
    pub(crate) finally: Option<Duration>,
}

/// Limits of the run: `tasks` and `finally` complement each other to `pipeline`.
pub(super) fn of_run(run: &RunObject, default: Duration) -> Limit {
    let RunObject::PipelineRun(run) = run else {
        return Limit::default();
    };
    let given = run.spec.timeouts.clone().unwrap_or_default();
    let pipeline = limited(given.pipeline.unwrap_or(default));
    let rest = |other: Option<Duration>| {
        let (pipeline, other) = (pipeline?, other.filter(|other| !other.is_zero())?);
        Some(pipeline.saturating_sub(other)).filter(|rest| *rest > Duration::ZERO)
    };
    Limit {
        pipeline,
        tasks: match given.tasks {
            Some(tasks) => limited(tasks),
            None => rest(given.finally),
        },
        finally: match given.finally {
            Some(finally) => limited(finally),
            None => rest(given.tasks),
        },
    }
}

/// Limit of an attempt: the run's word for this task, the pipeline's, the default.
pub(super) fn of_task(run: &RunObject, task: &PipelineTask, default: Duration) -> Option<Duration> {
    let own = match run {
        RunObject::PipelineRun(run) => run
            .spec
            .task_run_specs
            .iter()
            .find(|spec| spec.pipeline_task_name == task.name)
            .and_then(|spec| spec.timeout),
        RunObject::TaskRun(_) => None,
    };
    limited(own.or(task.timeout).unwrap_or(default))
}

/// Zero is no limit.
fn limited(duration: Duration) -> Option<Duration> {
    Some(duration).filter(|duration| !duration.is_zero())
}
