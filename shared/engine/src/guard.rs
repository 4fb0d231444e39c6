//! Whether a task runs when its turn comes.

use tidemill_resources::pipeline_run::SkipReason;
use tidemill_resources::{Operator, WhenExpression};

use crate::plan::Plan;
use crate::state::{Ends, NodePhase, Results, RunState};
use crate::substitution::{Lookup, Scope, walk};

/// What becomes of a task whose turn has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Guarded {
    /// It runs.
    Run,
    /// It does not.
    Skip(SkipReason),
    /// It should, but a result it needs does not exist.
    Invalid(String),
}

/// What the guards of a task say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Yes,
    No,
    /// A guard reads a result that does not exist, and no other one says no.
    Unknown,
}

/// Looks at guards, parents and results, in Tekton's order.
pub(crate) fn look(state: &RunState, plan: &Plan, node: u32) -> Guarded {
    let of_node = &plan.nodes[node as usize];
    let missing = missing_result(state, plan, node);
    if of_node.is_finally {
        if missing.is_some() {
            return Guarded::Skip(SkipReason::MissingResults);
        }
        return match said(state, plan, node) {
            Said::No => Guarded::Skip(SkipReason::WhenExpressions),
            Said::Yes | Said::Unknown => Guarded::Run,
        };
    }
    if said(state, plan, node) == Said::No {
        return Guarded::Skip(SkipReason::WhenExpressions);
    }
    if of_node.parents.iter().any(|parent| skipped_for_good(state, *parent)) {
        return Guarded::Skip(SkipReason::ParentTasks);
    }
    match missing {
        None => Guarded::Run,
        Some((_, producer)) if of_node.continues || is_skipped(state, producer) => {
            Guarded::Skip(SkipReason::MissingResults)
        }
        Some((message, _)) => Guarded::Invalid(message),
    }
}

/// Skipped, and not by its own guard.
fn skipped_for_good(state: &RunState, node: u32) -> bool {
    match &state.nodes[node as usize] {
        NodePhase::Skipped { reason } => *reason != SkipReason::WhenExpressions,
        _ => false,
    }
}

fn is_skipped(state: &RunState, node: u32) -> bool {
    matches!(state.nodes[node as usize], NodePhase::Skipped { .. })
}

/// The first result that a task needs and that does not exist, and who should have written it.
fn missing_result(state: &RunState, plan: &Plan, node: u32) -> Option<(String, u32)> {
    plan.nodes[node as usize].needs.iter().find_map(|need| {
        let why = match Results(state).find(&need.variable) {
            Ok(Some(_)) => return None,
            Ok(None) => format!(
                "task {:?} needs $({}), which task {:?} did not write",
                plan.task_name(node),
                need.variable,
                plan.task_name(need.producer)
            ),
            Err(out_of_range) => format!("task {:?}: {out_of_range}", plan.task_name(node)),
        };
        Some((why, need.producer))
    })
}

/// The guards of a task with all variables in place.
pub(crate) fn expressions(state: &RunState, plan: &Plan, node: u32) -> Vec<WhenExpression> {
    let mut when = plan.task(node).when.clone();
    if when.is_empty() {
        return when;
    }
    let (results, ends) = (Results(state), Ends(state));
    let scope = task_scope(plan, node, &results, &ends);
    for one in &mut when {
        // An index beyond the end is met by the check of results; the text then stays.
        let mut replaced = [one.clone()];
        if walk::when(&mut replaced, &mut walk::replacing(&scope)).is_ok() {
            let [replaced] = replaced;
            *one = replaced;
        }
    }
    when
}

/// The run's variables and what tasks before this one left behind.
pub(crate) fn task_scope<'a>(plan: &'a Plan, node: u32, results: &'a Results<'_>, ends: &'a Ends<'_>) -> Scope<'a> {
    let mut scope = plan.scope();
    let retries = plan.task(node).retries;
    scope.text("context.pipelineTask.retries", retries.to_string());
    scope.outer.push(results);
    if plan.nodes[node as usize].is_finally {
        scope.outer.push(ends);
    }
    scope
}

fn said(state: &RunState, plan: &Plan, node: u32) -> Said {
    let raw = &plan.task(node).when;
    let mut answer = Said::Yes;
    for (one, written) in expressions(state, plan, node).iter().zip(raw) {
        if lacks_result(state, written) {
            answer = Said::Unknown;
        } else if !holds(one) {
            return Said::No;
        }
    }
    answer
}

/// Whether a guard reads a result that does not exist.
fn lacks_result(state: &RunState, written: &WhenExpression) -> bool {
    let mut names = Vec::new();
    let Ok(()) = walk::when(&mut [written.clone()], &mut walk::gathering(&mut names));
    let results = Results(state);
    names
        .iter()
        .filter(|name| crate::plan::graph::read(name).is_some())
        .any(|name| !matches!(results.find(name), Ok(Some(_))))
}

/// Whether a guard holds.
pub(crate) fn holds(guard: &WhenExpression) -> bool {
    let is_in = guard.values.contains(&guard.input);
    match guard.operator {
        Some(Operator::In) | None => is_in,
        Some(Operator::NotIn) => !is_in,
    }
}
