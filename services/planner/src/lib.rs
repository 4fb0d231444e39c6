//! The loop: facts in, decision stored, effects out.
//!
//! A planner takes the facts of the runs' partitions from the stream `facts`, steps each run's state
//! through them ([`tidemill_engine::step`]), stores one decision record for all that waited, by
//! compare-and-set on the run's own subject, and then performs what was decided. It owns nothing:
//! any number of planners may run, and any of them may end at any time.
//!
//! # Guarantees
//! - A fact is acknowledged only after what it led to is confirmed: the record, its tasks, cancels
//!   and timer, the final status.
//! - The effects of a record are confirmed before the run's next record is written. A planner that
//!   loads a run from its log performs the last record's effects again first. Each effect has a
//!   subject of its own and expects it empty, so that repeating stores nothing twice.
//! - Between the delivery of a fact and the next task lie two round trips: the record, the task.
//!
//! # Assumptions
//! The streams exist ([`tidemill_bus::layout`]), and only planners write to `runs` and `timers`.

mod actor;
mod cancel;
mod error;
mod facts;
mod hints;
mod intake;
mod journal;
mod keeper;
mod leases;
mod metrics;
mod outbox;
mod partition;
mod perform;
mod planner;
mod probe;
mod project;
mod purge;
mod receipt;
mod record;
mod registry;
mod resolve;
mod retention;
mod retry;
mod service;
mod settings;
mod slim;
mod sweep;
mod volumes;

pub use error::Error;
pub use intake::run_intake;
pub use probe::Probe;
pub use service::{run, run_probed};
pub use settings::Settings;
pub use tidemill_engine::Record;
