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
/// task, the run or the run's word for this task, else the defaults the run started with. A task that is
/// given a claim which an earlier task of the run was given follows that one's class, whatever it says: the
/// files are there and nowhere else.
///
/// # Errors
/// [`Error::NoSuch`] if the task was never started.
pub fn dispatch(state: &RunState, task: &str) -> Result<Dispatch, Error> {
    let Some((position, child)) = state.child(task) else {
        return Err(no_such(state, "the class", task, "it was never started".to_owned()));
    };
    let leader = leader(state, position as usize);
    let class = annotation(state, state.children[leader].node, CLASS).filter(|class| !class.is_empty());
    let priority = annotation(state, child.node, PRIORITY).and_then(|text| text.trim().parse::<u8>().ok());
    Ok(Dispatch {
        class: class.unwrap_or_else(|| state.limits.default_class.clone()),
        priority: priority.unwrap_or(state.limits.default_priority).min(PRIORITY_MAX),
    })
}

/// The task whose class counts for the one at `position`: itself, unless an earlier one has had its claim.
fn leader(state: &RunState, position: usize) -> usize {
    let mut leader = position;
    while let Some(earlier) = first_with_claim_of(state, leader) {
        leader = earlier;
    }
    leader
}

fn first_with_claim_of(state: &RunState, position: usize) -> Option<usize> {
    let own = claims(state, position);
    if own.is_empty() {
        return None;
    }
    let shares = |earlier: &usize| claims(state, *earlier).iter().any(|claim| own.contains(claim));
    (0..position).find(shares)
}

/// Workspaces of the run with a claim behind them that the task at `position` asks for by name.
fn claims(state: &RunState, position: usize) -> Vec<&str> {
    let (Some(plan), Some(run)) = (state.plan(), state.run()) else {
        return Vec::new();
    };
    let has_claim = |name: &str| {
        let binding = run.workspaces().iter().find(|binding| binding.name == name);
        binding
            .is_some_and(|binding| binding.persistent_volume_claim.is_some() || binding.volume_claim_template.is_some())
    };
    let used = plan.task(state.children[position].node).workspaces.iter();
    used.map(|used| used.source()).filter(|name| has_claim(name)).collect()
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
