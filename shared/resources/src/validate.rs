//! What is refused, and what is accepted with a warning.
//!
//! Objects are checked after defaulting. Every function adds all it finds and
//! never stops at the first problem.

mod core;
mod graph;
mod matrix;
mod metadata;
mod param;
mod pipeline;
mod pipeline_run;
mod pipeline_task;
mod scope;
mod step;
mod step_action;
mod task;
mod task_run;
mod text;
mod update;
mod variable;
mod when;
mod workspace;

pub use self::core::{DATA_BYTES_MAX, config_map, persistent_volume_claim, secret, service_account};
pub use matrix::COMBINATIONS_MAX;
pub use metadata::{ANNOTATIONS_BYTES_MAX, metadata};
pub use pipeline::{TASKS_MAX, pipeline};
pub use pipeline_run::pipeline_run;
pub use step::STEPS_MAX;
pub use step_action::step_action;
pub use task::task;
pub use task_run::task_run;
pub use update::{pipeline_run_update, same_object, task_run_update};

#[cfg(test)]
mod tests;
