//! Releases that tasks of the run failed to deploy.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidemill_messages::{ReleaseReport, Rollback};

use super::{NodePhase, RunState};
use crate::decision::{Stop, Verdict};

/// A release whose deployment failed, and what is known of it since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Release {
    /// Position of the task.
    pub(crate) node: u32,
    /// Key of the task.
    pub(crate) task: String,
    /// The attempt that failed.
    pub(crate) attempt: u32,
    /// Where it stands.
    pub(crate) phase: ReleasePhase,
}

/// Where a release stands, as far as the run is concerned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum ReleasePhase {
    /// The run waits to hear its status.
    Awaited {
        /// For how long.
        until: Timestamp,
    },
    /// Nobody said it in time, or there is no such release: Tekton's rules apply.
    Unheard,
    /// The status is known; tasks that ask for it are decided.
    Known {
        /// What is known.
        report: ReleaseReport,
    },
    /// The deployer goes back.
    RollingBack {
        /// What is known.
        report: ReleaseReport,
        /// How long the run waits for it.
        until: Timestamp,
    },
    /// The tasks that asked are over, the run waits to hear what they achieved.
    Closing {
        /// What was known before.
        report: ReleaseReport,
        /// For how long.
        until: Timestamp,
    },
    /// Nothing more is awaited.
    Settled {
        /// What is known.
        report: ReleaseReport,
        /// The last word was not heard in time.
        #[serde(default)]
        unheard: bool,
    },
}

impl Release {
    /// Until when the run waits for something about it.
    pub(crate) fn awaited_until(&self) -> Option<Timestamp> {
        match &self.phase {
            ReleasePhase::Awaited { until }
            | ReleasePhase::RollingBack { until, .. }
            | ReleasePhase::Closing { until, .. } => Some(*until),
            ReleasePhase::Unheard | ReleasePhase::Known { .. } | ReleasePhase::Settled { .. } => None,
        }
    }

    /// What is known.
    pub(crate) fn report(&self) -> Option<&ReleaseReport> {
        match &self.phase {
            ReleasePhase::Known { report }
            | ReleasePhase::RollingBack { report, .. }
            | ReleasePhase::Closing { report, .. }
            | ReleasePhase::Settled { report, .. } => Some(report),
            ReleasePhase::Awaited { .. } | ReleasePhase::Unheard => None,
        }
    }
}

/// What a guard that asks for statuses may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// All of them are known, or none failed.
    Known,
    /// One is still awaited.
    Awaited,
    /// The run stops, and nothing is known that would let them decide.
    Late,
}

impl RunState {
    /// The release that a task failed to deploy.
    pub(crate) fn release(&self, node: u32) -> Option<&Release> {
        self.releases.iter().find(|release| release.node == node)
    }

    /// Whether the run may not go on before it has heard about a release. What is stronger than a
    /// failed task does not wait.
    pub(crate) fn awaits_release(&self) -> bool {
        self.heeds_releases() && self.releases.iter().any(|release| release.awaited_until().is_some())
    }

    /// Whether what stopped the run, if anything, lets it wait.
    pub(crate) fn heeds_releases(&self) -> bool {
        self.stop().is_none_or(|stop| stop == Stop::TaskFailed)
    }

    /// The next time a wait for a release ends.
    pub(super) fn release_deadline(&self) -> Option<Timestamp> {
        if self.releases.is_empty() || !self.heeds_releases() {
            return None;
        }
        self.releases.iter().filter_map(Release::awaited_until).min()
    }

    /// What the guards of a task may be told about the releases they ask for.
    pub(crate) fn hearing(&self, awaits: &[u32]) -> Hearing {
        if awaits.is_empty() {
            return Hearing::Known;
        }
        let fallen = awaits.iter().filter_map(|node| self.release(*node));
        let mut is_known = false;
        for release in fallen {
            match &release.phase {
                ReleasePhase::Awaited { .. } => return Hearing::Awaited,
                phase => is_known |= *phase != ReleasePhase::Unheard,
            }
        }
        if is_known || self.stop().is_none() {
            Hearing::Known
        } else {
            Hearing::Late
        }
    }

    /// Whether a task is decided although the run stops: its guards ask for the status of a release
    /// that failed, or may fail yet.
    pub(crate) fn is_spared(&self, awaits: &[u32]) -> bool {
        awaits.iter().any(|node| match self.release(*node) {
            Some(release) => release.phase != ReleasePhase::Unheard,
            None => matches!(self.nodes[*node as usize], NodePhase::Active { .. }),
        })
    }

    /// The status of the release a task failed to deploy, in Helm's words.
    pub(crate) fn release_status(&self, node: u32) -> Option<&'static str> {
        self.release(node)?.report()?.status.map(|status| status.as_str())
    }

    /// The first release that decides how the run's end is named, with what was done about it.
    pub(crate) fn fallen(&self) -> Option<Fallen<'_>> {
        let mut known = self
            .releases
            .iter()
            .filter_map(|release| Some((release, release.report()?)));
        let (release, report) = known.next()?;
        let asking = self.plan().map(|plan| plan.asking(release.node).collect::<Vec<_>>());
        let asking = asking.unwrap_or_default();
        let failed = asking
            .into_iter()
            .find(|node| matches!(self.verdict(*node), Some(Verdict::Failed | Verdict::Cancelled)));
        Some(Fallen {
            report,
            unheard: matches!(release.phase, ReleasePhase::Settled { unheard: true, .. }),
            failed,
        })
    }
}

/// A release that could not be deployed, at the end of the run.
pub(crate) struct Fallen<'a> {
    /// What is known.
    pub(crate) report: &'a ReleaseReport,
    /// The last word was not heard.
    pub(crate) unheard: bool,
    /// The task that should have mended it and failed.
    pub(crate) failed: Option<u32>,
}

impl Fallen<'_> {
    /// The revision that is in force again.
    pub(crate) fn back_at(&self) -> Option<u32> {
        match self.report.rollback {
            Rollback::Done { to } => Some(to),
            _ => None,
        }
    }

    /// Whether going back was tried and did not work.
    pub(crate) fn is_stuck(&self) -> bool {
        let stuck = matches!(self.report.rollback, Rollback::Failed { .. } | Rollback::Running { .. });
        self.back_at().is_none() && (self.failed.is_some() || stuck)
    }
}
