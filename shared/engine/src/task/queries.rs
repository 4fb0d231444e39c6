//! What a planner asks about tasks.

use super::{annotation, no_such};
use crate::error::Error;
use crate::state::RunState;

/// Annotation of run or task: the class of runners that take it.
const CLASS: &str = "tidemill.dev/class";
/// Annotation of run or task: 0 to 9.
const PRIORITY: &str = "tidemill.dev/priority";
const PRIORITY_MAX: u8 = 9;

/// Where a task's command goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// Class of runners.
    pub class: String,
    /// Priority, 0 to 9.
    pub priority: u8,
}

/// Class and priority of a task: annotations `tidemill.dev/class` and `tidemill.dev/priority` of the
/// task, the run or the run's word for this task, else the defaults the run started with.
///
/// # Errors
/// [`Error::NoSuch`] if the task was never started.
pub fn dispatch(state: &RunState, task: &str) -> Result<Dispatch, Error> {
    let Some((_, child)) = state.child(task) else {
        return Err(no_such(state, "the class", task, "it was never started".to_owned()));
    };
    let class = annotation(state, child.node, CLASS).filter(|class| !class.is_empty());
    let priority = annotation(state, child.node, PRIORITY).and_then(|text| text.trim().parse::<u8>().ok());
    Ok(Dispatch {
        class: class.unwrap_or_else(|| state.limits.default_class.clone()),
        priority: priority.unwrap_or(state.limits.default_priority).min(PRIORITY_MAX),
    })
}

/// Keys of all tasks that have, or should have, a TaskRun object, in the order of their start.
pub fn task_keys(state: &RunState) -> impl Iterator<Item = &str> {
    state
        .children
        .iter()
        .filter(|child| child.exists())
        .map(|child| child.key.as_str())
}

/// Task and attempt of everything that was dispatched and is not over.
pub fn in_flight(state: &RunState) -> impl Iterator<Item = (&str, u32)> {
    state
        .children
        .iter()
        .filter(|child| child.is_running())
        .map(|child| (child.key.as_str(), child.attempt))
}
