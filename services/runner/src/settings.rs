//! Settings of a runner.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tidemill_settings::Span;

/// Tasks at once for each processor: steps wait for others more than they compute.
const SLOTS_PER_PROCESSOR: usize = 4;
/// Tasks at once at least.
const SLOTS_MIN: usize = 16;
/// Tasks at once at most.
const SLOTS_MAX: usize = 10_000;

/// Settings of a runner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Name of the runner, the same at each start; a second process of the same name is refused.
    /// Default: the host's name.
    pub id: String,
    /// Runners of the same place can adopt each other's tasks. Default: host's name and state
    /// directory.
    pub place: String,
    /// Where lock files and sandboxes are. Default `.tidemill`.
    pub state_dir: PathBuf,
    /// Tasks at once. Default: 4 a processor, at least 16; 256 for a runner of class `kubernetes` alone.
    pub slots: usize,
    /// Tasks all runners of a class together have taken but not yet claimed, at most. Default 1,000.
    pub class_capacity: u64,
    /// A task taken but not claimed for this long is given to another runner. Default 10 s.
    pub ack_wait: Span,
    /// When planners give up tasks of a runner that shows no life. Cut off for nine tenths of it, a
    /// runner ends what no other runner could adopt. Default 5 min.
    pub lost_after: Span,
    /// How long an orderly stop may take. Default 5 s.
    pub stop_grace: Span,
    /// What all pods have in common.
    pub pod: tidemill_pod::Options,
    /// The process backend.
    pub process: crate::backend::process::Settings,
    /// The Kubernetes backend.
    pub kubernetes: crate::backend::kubernetes::Settings,
    /// The Docker backend.
    pub docker: crate::backend::docker::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            id: String::new(),
            place: String::new(),
            state_dir: PathBuf::from(".tidemill"),
            slots: (processors * SLOTS_PER_PROCESSOR).max(SLOTS_MIN),
            class_capacity: 1_000,
            ack_wait: Span::seconds(10),
            lost_after: Span::seconds(300),
            stop_grace: Span::seconds(5),
            pod: tidemill_pod::Options::default(),
            process: crate::backend::process::Settings::default(),
            kubernetes: crate::backend::kubernetes::Settings::default(),
            docker: crate::backend::docker::Settings::default(),
        }
    }
}

impl Settings {
    /// The place in which this runner's attempts can be adopted: as leases name it.
    pub fn place_name(&self) -> String {
        crate::identity::Identity::of(self).place
    }
}

impl tidemill_settings::Settings for Settings {
    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if !(1..=SLOTS_MAX).contains(&self.slots) {
            problems.push((
                "slots",
                format!("{} is out of range; expected 1 to {SLOTS_MAX}", self.slots),
            ));
        }
        if self.class_capacity == 0 {
            problems.push((
                "class-capacity",
                "0 lets no task through; expected at least 1".to_owned(),
            ));
        }
        if self.ack_wait < Span::seconds(1) {
            problems.push((
                "ack-wait",
                format!("{} is too short; expected at least 1s", self.ack_wait),
            ));
        }
        if self.lost_after < Span::seconds(30) {
            problems.push((
                "lost-after",
                format!("{} is too short; expected at least 30s", self.lost_after),
            ));
        }
        problems
    }
}
