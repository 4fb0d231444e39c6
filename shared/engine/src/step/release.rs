//! A task that deploys failed: the run waits to hear what became of the release, lets those decide
//! that ask for it, and waits to hear what they achieved.

use jiff::Timestamp;
use tidemill_messages::release::RESULT_STATUS;
use tidemill_messages::{AttemptOutcome, DeployStage, ReleaseReport, ReleaseStatus, Rollback};

use super::turn::Turn;
use crate::decision::{Change, Effect, Verdict};
use crate::deploy;
use crate::error::Error;
use crate::fact::Fact;
use crate::state::ReleasePhase;
use crate::state::after;

impl Turn<'_> {
    /// An attempt was dispatched: if it deploys, the deployer hears of it.
    pub(super) fn deploy_started(&mut self, node: u32, task: &str, attempt: u32) {
        if self.is_reported(node, task) {
            self.report(task, attempt, DeployStage::Started);
        }
    }

    /// An attempt that deploys is over: the deployer hears of it, and after a failure the run may have
    /// to hear of the deployer.
    pub(super) fn deploy_ended(
        &mut self,
        node: u32,
        task: &str,
        attempt: u32,
        (verdict, own_status): (Verdict, Option<ReleaseStatus>),
    ) -> Result<(), Error> {
        let is_reported = self.is_reported(node, task);
        if verdict == Verdict::Failed && self.state.heeds_releases() {
            self.hold(node, task, attempt, (own_status, is_reported))?;
        }
        if is_reported {
            self.report(task, attempt, DeployStage::Ended);
        }
        Ok(())
    }

    /// Makes the run wait, if anybody wants to know the status.
    fn hold(
        &mut self,
        node: u32,
        task: &str,
        attempt: u32,
        (own, is_reported): (Option<ReleaseStatus>, bool),
    ) -> Result<(), Error> {
        let is_asked = self.state.plan().is_some_and(|plan| plan.asking(node).next().is_some());
        if !(is_asked || is_reported && deploy::rolls_back(self.state, node)) {
            return Ok(());
        }
        let until = match (own, is_reported) {
            (Some(_), _) => self.at,
            (None, true) => self.patience(),
            (None, false) => return Ok(()),
        };
        self.change(Change::ReleaseAwaited {
            task: task.to_owned(),
            attempt,
            until,
        })?;
        // A task that says it itself needs nobody to ask.
        match own {
            Some(status) => self.hear(task, own_report(deploy::release_of(self.state, task), status)),
            None => Ok(()),
        }
    }

    fn hear(&mut self, task: &str, report: ReleaseReport) -> Result<(), Error> {
        self.change(Change::ReleaseHeard {
            task: task.to_owned(),
            report: Box::new(report),
        })
    }

    /// The deployer speaks.
    pub(super) fn release_observed(
        &mut self,
        fact: &Fact,
        task: &str,
        attempt: u32,
        (stage, report): (Option<DeployStage>, &ReleaseReport),
    ) -> Result<(), Error> {
        if self.state.child(task).is_none() {
            return Err(self.illegal(fact, "no such task was started"));
        }
        let known = self.state.releases.iter().find(|release| release.task == task);
        let Some(release) = known.filter(|release| release.attempt == attempt) else {
            return Ok(());
        };
        match &release.phase {
            ReleasePhase::Awaited { .. } => self.hear(task, report.clone())?,
            ReleasePhase::RollingBack { .. }
                if matches!(report.rollback, Rollback::Running { .. } | Rollback::None) =>
            {
                return Ok(());
            }
            ReleasePhase::Closing { .. } if stage == Some(DeployStage::Ended) => return Ok(()),
            ReleasePhase::RollingBack { .. } | ReleasePhase::Closing { .. } => self.settle(task, Some(report))?,
            ReleasePhase::Unheard | ReleasePhase::Known { .. } | ReleasePhase::Settled { .. } => return Ok(()),
        }
        self.advance()
    }

    fn settle(&mut self, task: &str, report: Option<&ReleaseReport>) -> Result<(), Error> {
        self.change(Change::ReleaseSettled {
            task: task.to_owned(),
            report: report.cloned().map(Box::new),
        })
    }

    /// Ends the waits whose time is over.
    pub(super) fn releases_due(&mut self) -> Result<(), Error> {
        let now = self.at;
        let late = self
            .state
            .releases
            .iter()
            .filter(|release| release.awaited_until().is_some_and(|until| until <= now));
        let late: Vec<(String, bool)> = late
            .map(|release| (release.task.clone(), release.report().is_some()))
            .collect();
        for (task, is_known) in late {
            if is_known {
                self.settle(&task, None)?;
            } else {
                self.change(Change::ReleaseUnheard { task })?;
            }
        }
        Ok(())
    }

    /// The graph is over: asks what became of releases that tasks of the run were to mend. `true`:
    /// the run waits for that.
    pub(super) fn close_releases(&mut self) -> Result<bool, Error> {
        if !self.state.heeds_releases() {
            return Ok(false);
        }
        let Some(plan) = self.state.plan().cloned() else {
            return Ok(false);
        };
        let known = self.state.releases.iter().filter_map(|release| match &release.phase {
            ReleasePhase::Known { report } => {
                Some((release.task.clone(), release.attempt, release.node, report.clone()))
            }
            _ => None,
        });
        for (task, attempt, node, report) in known.collect::<Vec<_>>() {
            let mended = plan.asking(node).any(|asking| self.state.verdict(asking).is_some());
            if mended && self.is_reported(node, &task) {
                let until = self.patience();
                self.change(Change::ReleaseClosing {
                    task: task.clone(),
                    until,
                })?;
                self.report(&task, attempt, DeployStage::Settled);
            } else {
                self.settle(&task, Some(&report))?;
            }
        }
        Ok(self.state.awaits_release())
    }

    /// Until when the run waits for the deployer.
    fn patience(&self) -> Timestamp {
        after(self.at, self.state.limits.release_wait).unwrap_or(self.at)
    }

    /// Whether the deployer hears of a task: it deploys a release whose name is known, and there is a
    /// deployer.
    fn is_reported(&self, node: u32, task: &str) -> bool {
        let deploys = self.state.plan().is_some_and(|plan| plan.nodes[node as usize].deploys);
        deploys && !self.state.limits.release_wait.is_zero() && deploy::release_of(self.state, task).is_some()
    }

    fn report(&mut self, task: &str, attempt: u32, stage: DeployStage) {
        self.effect(Effect::ReportDeploy {
            task: task.to_owned(),
            attempt,
            stage,
        });
    }
}

/// The status a task that deploys wrote itself.
pub(super) fn own_status(outcome: &AttemptOutcome) -> Option<ReleaseStatus> {
    let own = outcome.results.iter().find(|result| result.name == RESULT_STATUS)?;
    ReleaseStatus::of(own.value.as_str()?.trim())
}

fn own_report(release: Option<tidemill_messages::ReleaseName>, status: ReleaseStatus) -> ReleaseReport {
    ReleaseReport {
        release: release.unwrap_or_else(|| tidemill_messages::ReleaseName {
            namespace: String::new(),
            name: String::new(),
        }),
        revision: 0,
        status: Some(status),
        cause: String::new(),
        rollback: Rollback::None,
    }
}
