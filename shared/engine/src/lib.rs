//! The state machines of run and task: what happens to a run when a fact arrives.
//!
//! Pure: no clock, no randomness, no I/O. [`step()`] takes a [`Fact`] with its time and gives a
//! [`Decision`]: changes, which are already applied to the state, and effects, which the caller
//! performs after it has stored the decision. Replaying the changes of all decisions gives the same
//! state; payloads of effects ([`start_task`], [`project_run`], [`project_task_run`],
//! [`claim_object`]) are computed from the state, so performing an effect twice gives the same bytes.

mod child;
mod decision;
mod deploy;
mod error;
mod fact;
mod guard;
mod limits;
mod matrix;
mod names;
mod params;
mod plan;
mod project;
mod record;
mod refusal;
mod resolution;
mod run_object;
mod state;
mod step;
mod substitution;
mod task;
pub mod trace;

pub use decision::{CancelCause, Change, Decision, Effect, Stop, Verdict};
pub use deploy::deploy_report;
pub use error::Error;
pub use fact::Fact;
pub use limits::Limits;
pub use project::{ProjectedStatus, RunStatus, claim_object, project_run, project_task_run};
pub use record::Record;
pub use resolution::{Answer, Found, Reference, ReferenceKind, Resolution, ResolveRequest, missing};
pub use run_object::RunObject;
pub use state::RunState;
pub use step::step;
pub use task::{Dispatch, dispatch, in_flight, start_task, task_keys};
