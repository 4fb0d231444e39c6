//! Limits and defaults a run is decided with.

use serde::{Deserialize, Serialize};
use tidemill_resources::Duration;

/// Limits and defaults. Those in force when a run is first seen stay with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Attempts of one run that may be dispatched and not over at the same time (P9). Default 256.
    pub started_tasks_max: u32,
    /// Combinations of one matrix. Default 256.
    pub matrix_combinations_max: u32,
    /// Time limit of a run, and of an attempt, that names none; zero: no limit. Default 1 h.
    pub default_timeout: Duration,
    /// Class of tasks that name none. Default `process`.
    pub default_class: String,
    /// Priority of tasks that name none, 0 to 9. Default 5.
    pub default_priority: u8,
    /// How long a run waits to hear what became of a release that one of its tasks failed to
    /// deploy; zero: there is no deployer to say so. Default zero.
    #[serde(default)]
    pub release_wait: Duration,
    /// Whether the deployer rolls failed releases back where neither run nor task says. Default no.
    #[serde(default)]
    pub rollback: bool,
    /// How often an attempt whose pod cannot be made is dispatched again before it ends as failed. Default 10.
    #[serde(default = "dispatches_max")]
    pub dispatches_max: u32,
}

fn dispatches_max() -> u32 {
    10
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            started_tasks_max: 256,
            matrix_combinations_max: 256,
            default_timeout: Duration::from_mins(60),
            default_class: "process".to_owned(),
            default_priority: 5,
            release_wait: Duration::default(),
            rollback: false,
            dispatches_max: dispatches_max(),
        }
    }
}
