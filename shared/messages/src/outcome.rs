//! How an attempt ended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidemill_resources::task_run::{SidecarState, StepState, TaskRunResult};

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    /// Every step ended well, or was allowed to fail.
    Succeeded,
    /// It failed; reason and message are Tekton's where Tekton has one.
    #[serde(rename_all = "camelCase")]
    Failed {
        /// A CamelCase reason, such as `Failed`, `TaskRunResultLargerThanAllowedLimit`.
        reason: String,
        /// One sentence for people.
        message: String,
    },
    /// Ended by a cancel command.
    Cancelled,
    /// Ended by its time limit.
    TimedOut,
    /// Its runner and its processes are gone, and at least one step had started.
    Lost {
        /// What is known of it.
        message: String,
    },
}

/// What a runner (or the planner, for an attempt nobody runs) says at the end of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptOutcome {
    /// How it ended.
    pub ending: Ending,
    /// Name of the pod, real or played.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pod_name: String,
    /// When a runner took it up to start its sandbox or pod, as far as known, else when that ran; `None` if it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its last step ended.
    pub completed_at: Timestamp,
    /// States of the steps, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepState>,
    /// Start and end of each step, in order, in microseconds since `started_at`: states of steps have whole
    /// seconds only. A step that never started has its end twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub step_times_us: Vec<(i64, i64)>,
    /// States of the sidecars.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sidecars: Vec<SidecarState>,
    /// The results it wrote, typed as declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<TaskRunResult>,
}

impl AttemptOutcome {
    /// The same, started at `at` already, if that is earlier: its steps keep their times.
    #[must_use]
    pub fn started_by(mut self, at: Timestamp) -> Self {
        let Some(known) = self.started_at.filter(|known| at < *known) else {
            return self;
        };
        let shift = i64::try_from(known.duration_since(at).as_micros()).unwrap_or(0);
        for (start, end) in &mut self.step_times_us {
            (*start, *end) = (start.saturating_add(shift), end.saturating_add(shift));
        }
        self.started_at = Some(at);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(started_at: Option<&str>) -> AttemptOutcome {
        AttemptOutcome {
            ending: Ending::Succeeded,
            pod_name: String::new(),
            started_at: started_at.map(|text| text.parse().unwrap()),
            completed_at: "2026-11-29T12:00:09Z".parse().unwrap(),
            steps: Vec::new(),
            step_times_us: vec![(0, 2_000_000)],
            sidecars: Vec::new(),
            results: Vec::new(),
        }
    }

    #[test]
    fn steps_keep_their_times_when_the_start_is_earlier() {
        let early = "2026-11-29T12:00:00.5Z".parse().unwrap();
        let known = "2026-11-29T12:00:01Z";
        let moved = outcome(Some(known)).started_by(early);
        assert_eq!(moved.started_at, Some(early));
        assert_eq!(moved.step_times_us, [(500_000, 2_500_000)]);
        assert_eq!(
            outcome(Some(known)).started_by(moved.completed_at),
            outcome(Some(known)),
            "a clock behind"
        );
        assert_eq!(outcome(None).started_by(early), outcome(None), "nothing was started");
    }
}
