//! One fact, one decision.

mod advance;
mod attempt;
mod due;
mod finish;
mod observe;
mod release;
mod turn;
mod volume;

use crate::decision::Decision;
use crate::error::Error;
use crate::fact::Fact;
use crate::limits::Limits;
use crate::state::{Presence, RunState, Stage};
use turn::Turn;

/// Decides what a fact means for a run. The changes of the decision are applied to `state`; the
/// caller stores the decision, then performs its effects in order. A fact that the state already
/// holds, or that comes too late, gives an empty decision. The work does not grow with the run.
///
/// `limits` count for runs seen for the first time, and for the number of started tasks.
///
/// # Errors
/// [`Error::Illegal`] if the fact is not possible in this state; the state is then unchanged.
pub fn step(state: &mut RunState, fact: &Fact, limits: &Limits) -> Result<Decision, Error> {
    let (stage, presence) = (state.stage, state.presence);
    let mut turn = Turn::new(state, fact.at(), limits);
    match (stage, fact) {
        _ if presence == Presence::Finished => {}
        (Stage::New, Fact::RunObserved { run, deleting, .. }) => turn.first_sight(run, *deleting)?,
        (Stage::Pending, Fact::RunObserved { run, deleting, .. }) => turn.still_pending(run, *deleting)?,
        (Stage::Resolving | Stage::Running, Fact::RunObserved { run, deleting, .. }) => {
            turn.new_wish(run, *deleting)?
        }
        (Stage::Over, Fact::RunObserved { deleting, .. }) => turn.removed(*deleting)?,
        (Stage::Resolving, Fact::Resolved { resolution, .. }) => turn.resolved(resolution)?,
        (
            Stage::Running,
            Fact::AttemptStarted {
                task,
                attempt,
                pod_name,
                started_at,
                steps,
                ..
            },
        ) => {
            turn.attempt_started(fact, task, *attempt, (pod_name, *started_at, steps))?;
        }
        (
            Stage::Running,
            Fact::AttemptFinished {
                task, attempt, outcome, ..
            },
        ) => {
            turn.attempt_finished(fact, task, *attempt, outcome)?;
        }
        (
            Stage::Running,
            Fact::AttemptWaits {
                task, attempt, message, ..
            },
        ) => {
            turn.attempt_waits(fact, task, *attempt, message)?;
        }
        (
            Stage::Running,
            Fact::AttemptReturned {
                task,
                attempt,
                claim,
                message,
                ..
            },
        ) => {
            turn.attempt_returned(fact, task, *attempt, (*claim, message))?;
        }
        (
            Stage::Running,
            Fact::ChildChanged {
                name,
                uid,
                status,
                deleting,
                ..
            },
        ) => {
            turn.child_changed(fact, name, uid, status.as_deref(), *deleting)?;
        }
        (
            Stage::Running,
            Fact::ReleaseObserved {
                task,
                attempt,
                stage,
                report,
                ..
            },
        ) => turn.release_observed(fact, task, *attempt, (*stage, report))?,
        (Stage::Running, Fact::VolumeFailed { claim, message, .. }) => turn.volume_failed(fact, claim, message)?,
        (Stage::Running, Fact::Due { .. }) => turn.due()?,
        // Late, or repeated.
        (Stage::Running, Fact::Resolved { .. }) | (Stage::Over | Stage::Ignored, _) => {}
        (Stage::New | Stage::Pending | Stage::Resolving, Fact::Due { .. }) => {}
        (Stage::New | Stage::Pending | Stage::Resolving, _) => return Err(turn.illegal(fact, "it has no tasks yet")),
    }
    turn.close()
}
