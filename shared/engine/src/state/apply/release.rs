//! Changes of releases.

use tidemill_messages::{ReleaseReport, Rollback};

use super::super::release::{Release, ReleasePhase};
use super::super::{NodePhase, RunState};
use crate::error::Error;
use jiff::Timestamp;

impl RunState {
    /// A task failed to deploy, and somebody will want to know what became of the release.
    pub(super) fn await_release(&mut self, task: &str, attempt: u32, until: Timestamp) -> Result<(), Error> {
        let node = self.need_plan()?.index.get(task).copied();
        let Some(node) = node.filter(|node| self.release(*node).is_none()) else {
            return Err(self.corrupt(&format!(
                "the release of task {task:?} is awaited already, or there is no such task"
            )));
        };
        self.releases.push(Release {
            node,
            task: task.to_owned(),
            attempt,
            phase: ReleasePhase::Awaited { until },
        });
        Ok(())
    }

    pub(super) fn hear_release(&mut self, task: &str, report: &ReleaseReport) -> Result<(), Error> {
        let report = report.clone();
        let phase = match report.rollback {
            _ if report.status.is_none() => ReleasePhase::Unheard,
            Rollback::Running { until, .. } => ReleasePhase::RollingBack { report, until },
            _ => ReleasePhase::Known { report },
        };
        self.decide_release(task, phase)
    }

    pub(super) fn give_up_release(&mut self, task: &str) -> Result<(), Error> {
        self.decide_release(task, ReleasePhase::Unheard)
    }

    /// The status is known, or never will be: those that asked for it can be looked at.
    fn decide_release(&mut self, task: &str, phase: ReleasePhase) -> Result<(), Error> {
        let release = self.need_release(task)?;
        release.phase = phase;
        let node = release.node;
        let plan = self.need_plan()?;
        for asking in plan.asking(node) {
            let is_due = self.nodes[asking as usize] == NodePhase::Waiting && self.live.waiting[asking as usize] == 0;
            // The end of the task itself may have called it just before.
            if is_due && !self.live.ready.contains(&asking) {
                self.live.ready.push_back(asking);
            }
        }
        Ok(())
    }

    pub(super) fn close_release(&mut self, task: &str, until: Timestamp) -> Result<(), Error> {
        let release = self.need_release(task)?;
        let Some(report) = release.report().cloned() else {
            return Err(self.corrupt(&format!("nothing is known of the release of task {task:?}")));
        };
        release.phase = ReleasePhase::Closing { report, until };
        Ok(())
    }

    /// `report`: the last word; without one it was not heard in time.
    pub(super) fn settle_release(&mut self, task: &str, report: Option<&ReleaseReport>) -> Result<(), Error> {
        let release = self.need_release(task)?;
        let Some(before) = release.report().cloned() else {
            return Err(self.corrupt(&format!("nothing is known of the release of task {task:?}")));
        };
        // What the tasks that asked were told does not change any more.
        let rollback = report.map_or_else(|| before.rollback.clone(), |report| report.rollback.clone());
        release.phase = ReleasePhase::Settled {
            report: ReleaseReport { rollback, ..before },
            unheard: report.is_none(),
        };
        Ok(())
    }

    fn need_release(&mut self, task: &str) -> Result<&mut Release, Error> {
        match self.releases.iter().position(|release| release.task == task) {
            Some(position) => Ok(&mut self.releases[position]),
            None => Err(self.corrupt(&format!("no release of task {task:?} is awaited"))),
        }
    }
}
