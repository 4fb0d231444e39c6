//! The run object is seen, for the first time or again.

use tidemill_messages::RunKind;
use tidemill_resources::meta::ConditionStatus;
use tidemill_resources::names::MANAGED_BY_TEKTON;
use tidemill_resources::pipeline_run::PipelineRunSpecStatus;
use tidemill_resources::task_run::TaskRunSpecStatus;

use super::turn::Turn;
use crate::decision::{Change, Effect, Stop};
use crate::error::Error;
use crate::fact::Fact;
use crate::plan::Plan;
use crate::refusal::Refusal;
use crate::resolution::{Resolution, ResolveRequest};
use crate::run_object::RunObject;

/// What a run's `spec.status` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Run,
    Wait,
    Stop(Stop),
}

impl Turn<'_> {
    pub(super) fn first_sight(&mut self, run: &RunObject, deleting: bool) -> Result<(), Error> {
        self.mine(run, deleting)?;
        self.observed(run)?;
        if deleting {
            self.change(Change::Deleting)?;
            self.change(Change::Ignored)?;
            return Ok(());
        }
        if run.managed_by().is_some_and(|manager| manager != MANAGED_BY_TEKTON) {
            return self.change(Change::Ignored);
        }
        match wish(run) {
            Wish::Wait => self.change(Change::Held),
            Wish::Stop(Stop::Cancelled) => self.cancelled_early(),
            Wish::Run | Wish::Stop(_) => self.ask_or_start(),
        }
    }

    pub(super) fn still_pending(&mut self, run: &RunObject, deleting: bool) -> Result<(), Error> {
        self.mine(run, deleting)?;
        if deleting {
            self.change(Change::Deleting)?;
            return self.cancelled_early();
        }
        match wish(run) {
            Wish::Wait => Ok(()),
            Wish::Stop(Stop::Cancelled) => {
                self.observed(run)?;
                self.cancelled_early()
            }
            Wish::Run | Wish::Stop(_) => {
                self.observed(run)?;
                self.ask_or_start()
            }
        }
    }

    /// The run has begun: only its wish to stop counts.
    pub(super) fn new_wish(&mut self, run: &RunObject, deleting: bool) -> Result<(), Error> {
        self.mine(run, deleting)?;
        if deleting && !self.state.is_deleting() {
            self.change(Change::Deleting)?;
        }
        let stop = match wish(run) {
            _ if deleting => Stop::Cancelled,
            Wish::Stop(stop) => stop,
            Wish::Run | Wish::Wait => return Ok(()),
        };
        if !self.state.is_started() {
            return if stop == Stop::Cancelled {
                self.cancelled_early()
            } else {
                self.change_wish(run, stop)
            };
        }
        self.stop(stop, status_message(run))?;
        self.advance()
    }

    /// A graceful stop before the start: kept in the object, looked at when the run starts.
    fn change_wish(&mut self, run: &RunObject, stop: Stop) -> Result<(), Error> {
        if self.state.run().map(wish) == Some(Wish::Stop(stop)) {
            return Ok(());
        }
        self.observed(run)
    }

    pub(super) fn removed(&mut self, deleting: bool) -> Result<(), Error> {
        if deleting && !self.state.is_deleting() {
            self.change(Change::Deleting)
        } else {
            Ok(())
        }
    }

    pub(super) fn resolved(&mut self, resolution: &Resolution) -> Result<(), Error> {
        let mut new = Resolution::default();
        for found in &resolution.found {
            if self.state.resolution.answer(&found.reference).is_none() && new.answer(&found.reference).is_none() {
                new.found.push(found.clone());
            }
        }
        if new.found.is_empty() {
            return Ok(());
        }
        self.change(Change::Resolved { found: new.found })?;
        self.ask_or_start()
    }

    fn mine(&self, run: &RunObject, deleting: bool) -> Result<(), Error> {
        if run.uid() == self.state.uid() {
            return Ok(());
        }
        let fact = Fact::RunObserved {
            at: self.at,
            run: run.clone(),
            deleting,
        };
        Err(self.illegal(&fact, format!("the object has UID {:?}", run.uid())))
    }

    fn observed(&mut self, run: &RunObject) -> Result<(), Error> {
        self.change(Change::Observed {
            at: self.at,
            run: Box::new(run.trimmed()),
            limits: Box::new(self.limits.clone()),
        })
    }

    fn ask_or_start(&mut self) -> Result<(), Error> {
        let references = self.state.questions(&Resolution::default());
        if references.is_empty() {
            return self.start();
        }
        if self.state.stage != crate::state::Stage::Resolving {
            self.change(Change::Asked)?;
        }
        self.effect(Effect::Resolve(ResolveRequest { references }));
        Ok(())
    }

    fn start(&mut self) -> Result<(), Error> {
        let Some(run) = self.state.run.as_deref() else {
            return Ok(());
        };
        let wish = wish(run);
        let timeout = self.state.limits.default_timeout;
        let plan = match Plan::new(run, &self.state.resolution, timeout) {
            Ok(plan) => plan,
            Err(refusal) => return self.refused(&refusal),
        };
        let claims: Vec<String> = plan.claims.iter().map(|claim| claim.name.clone()).collect();
        self.state.live.plan = Some(std::sync::Arc::new(plan));
        self.change(Change::Started { at: self.at })?;
        for claim in claims {
            self.effect(Effect::CreateVolume { claim });
        }
        if let Wish::Stop(stop) = wish {
            self.stop(stop, "")?;
        }
        self.advance()
    }

    fn refused(&mut self, refusal: &Refusal) -> Result<(), Error> {
        let reason = match self.state.kind() {
            // The reasons of pipelines mean nothing to readers of a TaskRun.
            Some(RunKind::TaskRun) if !refusal.reason.starts_with("TaskRun") => "TaskRunValidationFailed",
            _ => refusal.reason,
        };
        let message = format!("[User error] {}", refusal.message);
        self.over(ConditionStatus::False, reason, message, Vec::new())
    }

    fn cancelled_early(&mut self) -> Result<(), Error> {
        let (kind, reason) = match self.state.kind() {
            Some(RunKind::TaskRun) => ("TaskRun", "TaskRunCancelled"),
            _ => ("PipelineRun", "Cancelled"),
        };
        let message = format!("{kind} {:?} was cancelled", self.state.name());
        self.over(ConditionStatus::False, reason, message, Vec::new())
    }
}

fn wish(run: &RunObject) -> Wish {
    match run {
        RunObject::PipelineRun(run) => match run.spec.status {
            None => Wish::Run,
            Some(PipelineRunSpecStatus::Pending) => Wish::Wait,
            Some(PipelineRunSpecStatus::Cancelled) => Wish::Stop(Stop::Cancelled),
            Some(PipelineRunSpecStatus::CancelledRunFinally) => Wish::Stop(Stop::GracefullyCancelled),
            Some(PipelineRunSpecStatus::StoppedRunFinally) => Wish::Stop(Stop::GracefullyStopped),
        },
        RunObject::TaskRun(run) => match run.spec.status {
            None => Wish::Run,
            Some(TaskRunSpecStatus::Pending) => Wish::Wait,
            Some(TaskRunSpecStatus::Cancelled) => Wish::Stop(Stop::Cancelled),
        },
    }
}

/// The user's words for the end of a TaskRun.
fn status_message(run: &RunObject) -> &str {
    match run {
        RunObject::PipelineRun(_) => "",
        RunObject::TaskRun(run) => &run.spec.status_message,
    }
}
