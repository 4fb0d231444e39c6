//! The end of an attempt.

use jiff::Timestamp;
use tidemill_messages::CancelReason;
use tidemill_messages::report::{ContainerEnd, ContainerReport, ReportBody};
use tidemill_resources::task_run::TerminationReason;

use super::begin::after_ms;
use super::running::{Running, words};
use super::{Attempt, Phase};
use crate::error::Error;
use crate::sandbox::sweep::Ended;

impl Attempt {
    /// Ends everything because the runner says so: at once, or asking first where there is a grace.
    pub(super) fn kill(&mut self, reason: CancelReason) -> Result<(), Error> {
        if self.killed.is_some() || self.phase == Phase::Finished {
            return Ok(());
        }
        self.killed = Some(reason);
        let grace_ms = self.sandbox.limits.kill_grace_ms;
        if grace_ms == 0 || self.step.is_none() {
            return self.kill_now();
        }
        self.ask_all();
        self.kill_at = Some(after_ms(grace_ms));
        Ok(())
    }

    /// Ends what a kill has asked to end.
    pub(super) fn kill_now(&mut self) -> Result<(), Error> {
        self.kill_at = None;
        if self.step.is_some() {
            self.kill_step()?;
            return self.end_step();
        }
        match self.phase {
            Phase::Turn(position) => self.next_step(position),
            _ => self.next_step(0),
        }
    }

    /// Ends the sidecars, collects the results and says how it all ended.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.built.clear();
        self.spare = None;
        let alone = self.killed.is_none();
        let by_themselves: Vec<bool> = self
            .sidecars
            .iter()
            .map(|sidecar| alone && sidecar.code.is_some())
            .collect();
        let ended = self.end_all(&[])?;
        self.note_sidecars(&ended);
        let mut containers = std::mem::take(&mut self.ends);
        for (sidecar, by_itself) in std::mem::take(&mut self.sidecars).into_iter().zip(by_themselves) {
            containers.push(self.finish_sidecar(sidecar, by_itself)?);
        }
        let mut collector = self.take_collector();
        let results = collector.collect(&self.layout.results(), &self.sandbox.results)?;
        self.phase = Phase::Finished;
        let killed = self.killed;
        self.report(ReportBody::Finished {
            containers,
            results,
            failure: collector.failure,
            killed,
        })
    }

    /// Reports a sidecar. One that was ended with the task ended well, as Tekton has it.
    fn finish_sidecar(&mut self, mut sidecar: Running, by_itself: bool) -> Result<ContainerReport, Error> {
        let refusal = sidecar
            .contained
            .failure()
            .map(|failed| self.masks.clean(&failed.message));
        self.drain(&mut sidecar, refusal.clone())?;
        let code = if by_itself { sidecar.code.unwrap_or(0) } else { 0 };
        let end = ContainerEnd {
            started_at: Some(sidecar.started_at),
            exit_code: code,
            reason: if code == 0 {
                TerminationReason::Completed
            } else {
                TerminationReason::Error
            },
            message: refusal.unwrap_or_else(|| words(code)),
            results: Vec::new(),
            out_of_memory: by_itself && code == 137 && self.is_out_of_memory(sidecar.position),
        };
        let container = self.container(sidecar.position).name.clone();
        let report = ContainerReport {
            container: container.clone(),
            end: end.clone(),
            at: Timestamp::now(),
        };
        self.report(ReportBody::ContainerFinished { container, end })?;
        Ok(report)
    }

    /// Notes which sidecars ended.
    pub(super) fn note_sidecars(&mut self, ended: &Ended) {
        for sidecar in &mut self.sidecars {
            let own = ended.iter().find(|(pid, _)| *pid == sidecar.contained.pid);
            sidecar.code = sidecar.code.or(own.map(|(_, code)| *code));
        }
    }
}
