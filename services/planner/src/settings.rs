//! The planner's settings.

use serde::{Deserialize, Serialize};
use tidemill_engine::Limits;
use tidemill_resources::Duration;
use tidemill_settings::Span;

/// Settings of the planner, section `planner`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Runs kept in memory with their state; others are read from their log when something happens
    /// to them. Default 1,024.
    pub cached_runs: usize,
    /// Facts taken from a partition at once. Default 256.
    pub batch_facts: usize,
    /// Facts of a partition under way at once. Default 2,048.
    pub pending_facts: u64,
    /// An attempt whose runner has shown no life for so long, and which nobody took over, is given
    /// up. Default 5 min.
    pub lost_after: Span,
    /// How often unfinished runs are compared with claims, leases and finished facts. Default 60 s.
    pub sweep_every: Span,
    /// An attempt that no runner has taken for so long says so in its status, where no runner takes its class. At least
    /// that time, and some seconds more. Default 20 s.
    pub waits_after: Span,
    /// Status that may still change is written this long after it changed, with all that changed
    /// meanwhile. Default 250 ms.
    pub coalesce: Span,
    /// Attempts of one run that may be under way at the same time. Default 256.
    pub started_tasks_max: u32,
    /// Combinations of one matrix. Default 256.
    pub matrix_combinations_max: u32,
    /// Time limit of a run or attempt that names none; `0s`: no limit. Default 1 h.
    pub default_timeout: Span,
    /// Class of tasks that name none. Default `process`.
    pub default_class: String,
    /// How long a run waits for the deployer to say what became of a release that one of its tasks
    /// failed to deploy; `0s`: there is no deployer. Default 30 s; `tidemill up` without a cluster
    /// does not wait.
    pub release_wait: Span,
    /// Whether the deployer rolls failed releases back where neither the run nor its task says so by
    /// the annotation `tidemill.dev/rollback`. Default no.
    pub rollback: bool,
    /// How often an attempt whose pod no runner can make is dispatched again, later each time, before it ends as
    /// failed. Default 10, about two minutes.
    pub dispatches_max: u32,
    /// References looked up at the same time. Default 16.
    pub concurrent_resolves: usize,
    /// Objects written at the same time for one run. Default 32.
    pub concurrent_writes: usize,
    /// Finished runs kept in a namespace; the oldest go first. Default 1,000.
    pub retention_runs: usize,
    /// Finished runs older than this go. Default 30 d.
    pub retention_age: Span,
    /// How often retention is looked after. Default 10 min.
    pub retention_every: Span,
    /// Blobs that nothing names are kept for so long. Default 1 h.
    pub blob_age: Span,
}

impl Default for Settings {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            cached_runs: 1024,
            batch_facts: 256,
            pending_facts: 2048,
            lost_after: Span::seconds(300),
            sweep_every: Span::seconds(60),
            waits_after: Span::seconds(20),
            coalesce: Span::millis(250),
            started_tasks_max: limits.started_tasks_max,
            matrix_combinations_max: limits.matrix_combinations_max,
            default_timeout: Span::seconds(3600),
            default_class: limits.default_class,
            release_wait: Span::seconds(30),
            rollback: limits.rollback,
            dispatches_max: limits.dispatches_max,
            concurrent_resolves: 16,
            concurrent_writes: 32,
            retention_runs: 1000,
            retention_age: Span::days(30),
            retention_every: Span::seconds(600),
            blob_age: Span::seconds(3600),
        }
    }
}

impl Settings {
    /// What new runs are decided with.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            started_tasks_max: self.started_tasks_max,
            matrix_combinations_max: self.matrix_combinations_max,
            default_timeout: engine_duration(self.default_timeout),
            default_class: self.default_class.clone(),
            release_wait: engine_duration(self.release_wait),
            rollback: self.rollback,
            dispatches_max: self.dispatches_max,
            ..Limits::default()
        }
    }
}

fn engine_duration(span: Span) -> Duration {
    Duration::from_millis(i64::try_from(span.duration().as_millis()).unwrap_or(i64::MAX))
}

impl tidemill_settings::Settings for Settings {
    fn problems(&self) -> Vec<(&'static str, String)> {
        let counts = [
            ("cached-runs", self.cached_runs),
            ("batch-facts", self.batch_facts),
            (
                "pending-facts",
                usize::try_from(self.pending_facts).unwrap_or(usize::MAX),
            ),
            ("started-tasks-max", self.started_tasks_max as usize),
            ("concurrent-resolves", self.concurrent_resolves),
            ("concurrent-writes", self.concurrent_writes),
        ];
        let mut problems: Vec<_> = counts
            .into_iter()
            .filter(|(_, count)| *count == 0)
            .map(|(key, _)| (key, "must be at least 1".to_owned()))
            .collect();
        let spans = [
            ("lost-after", self.lost_after, Span::seconds(30)),
            ("sweep-every", self.sweep_every, Span::seconds(1)),
            ("waits-after", self.waits_after, Span::seconds(1)),
            ("retention-every", self.retention_every, Span::seconds(1)),
        ];
        for (key, span, least) in spans {
            if span < least {
                problems.push((key, format!("must be at least {least}, is {span}")));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use tidemill_settings::Settings as _;

    use super::*;

    #[test]
    fn defaults_make_sense_and_zero_does_not() {
        assert_eq!(Settings::default().problems(), []);
        let waiting = Limits {
            release_wait: Duration::from_secs(30),
            ..Limits::default()
        };
        assert_eq!(Settings::default().limits(), waiting);
        let settings = Settings {
            cached_runs: 0,
            lost_after: Span::seconds(1),
            ..Settings::default()
        };
        let keys: Vec<&str> = settings.problems().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["cached-runs", "lost-after"]);
    }
}
