//! What can go on, goes on.

use std::sync::Arc;

use tidemill_resources::pipeline_run::SkipReason;

use super::turn::Turn;
use crate::decision::{Change, Effect, Stop};
use crate::error::Error;
use crate::guard::{self, Guarded};
use crate::matrix;
use crate::plan::Plan;
use crate::refusal::Refusal;
use crate::state::{NodePhase, Stage};
use crate::task;

impl Turn<'_> {
    /// Looks at every task whose time has come, until nothing more can be done; then the run may be over.
    pub(super) fn advance(&mut self) -> Result<(), Error> {
        let Some(plan) = self.state.plan().cloned() else {
            return Ok(());
        };
        if self.state.stage != Stage::Running {
            return Ok(());
        }
        loop {
            while let Some(node) = self.state.live.ready.pop_front() {
                if self.state.nodes[node as usize] == NodePhase::Waiting {
                    self.consider(&plan, node)?;
                }
            }
            self.fill(&plan)?;
            if !self.state.live.ready.is_empty() {
                continue;
            }
            if self.state.live.graph_left > 0 {
                return Ok(());
            }
            if self.state.live.finally_left == 0 {
                return self.conclude();
            }
            if self.state.finally_started_at.is_some() {
                return Ok(());
            }
            self.change(Change::FinallyStarted { at: self.at })?;
        }
    }

    /// Dispatches what waits for room.
    fn fill(&mut self, plan: &Arc<Plan>) -> Result<(), Error> {
        while let Some(position) = self.state.queue.front().copied().filter(|_| self.has_room()) {
            let child = &self.state.children[position as usize];
            let (key, node) = (child.key.clone(), child.node);
            self.launch(plan, node, &key)?;
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.state.live.running < self.limits.started_tasks_max.max(1)
    }

    /// Decides about a task whose parents are all done.
    fn consider(&mut self, plan: &Arc<Plan>, node: u32) -> Result<(), Error> {
        let guarded = guard::look(self.state, plan, node);
        let task = plan.task_name(node).to_owned();
        match guarded {
            Guarded::Skip(reason) => self.change(Change::Skipped { task, reason }),
            Guarded::Invalid(message) => self.invalid(task, Refusal::new("PipelineValidationFailed", message)),
            Guarded::Run if plan.task(node).matrix.is_some() => self.fan_out(plan, node, task),
            Guarded::Run if self.has_room() && self.state.queue.is_empty() => self.launch(plan, node, &task),
            Guarded::Run => self.change(Change::Queued { task }),
        }
    }

    fn fan_out(&mut self, plan: &Arc<Plan>, node: u32, task: String) -> Result<(), Error> {
        match matrix::combinations(self.state, plan, node) {
            Ok(combinations) if combinations.is_empty() => self.change(Change::Skipped {
                task,
                reason: SkipReason::EmptyMatrix,
            }),
            Ok(combinations) => self.change(Change::FannedOut { task, combinations }),
            Err(refusal) => self.invalid(task, refusal),
        }
    }

    fn invalid(&mut self, task: String, refusal: Refusal) -> Result<(), Error> {
        let (reason, message) = (refusal.reason.to_owned(), refusal.message);
        self.change(Change::Invalid { task, reason, message })?;
        self.stop(Stop::TaskFailed, "")
    }

    /// Dispatches the first attempt of a task, or fails it if it cannot be run as it is.
    fn launch(&mut self, plan: &Arc<Plan>, node: u32, key: &str) -> Result<(), Error> {
        if let Err(refusal) = task::check(self.state, plan, node, key) {
            return self.reject(node, key, &refusal);
        }
        self.change(Change::Dispatched {
            task: key.to_owned(),
            at: self.at,
        })?;
        self.effect(Effect::StartTask {
            task: key.to_owned(),
            attempt: 0,
            dispatch: 0,
        });
        self.touch(key, false);
        Ok(())
    }

    fn reject(&mut self, node: u32, key: &str, refusal: &Refusal) -> Result<(), Error> {
        self.change(Change::Rejected {
            task: key.to_owned(),
            at: self.at,
            reason: refusal.reason.to_owned(),
            message: refusal.message.clone(),
        })?;
        self.touch(key, true);
        self.consequence(node)
    }
}
