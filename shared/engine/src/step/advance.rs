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
use crate::state::{Hearing, NodePhase, Stage};
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
            let runnable = self.consider_ready(&plan)?;
            let mut rejected = Vec::new();
            for node in runnable {
                self.begin(&plan, node, &mut rejected)?;
            }
            self.fill(&plan, &mut rejected)?;
            for node in rejected {
                self.consequence(node)?;
            }
            if !self.state.live.ready.is_empty() {
                continue;
            }
            if self.state.live.graph_left > 0 || self.state.awaits_release() || self.close_releases()? {
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

    /// Decides about every task whose parents are all done; gives those that run. None does if one
    /// of them cannot.
    fn consider_ready(&mut self, plan: &Arc<Plan>) -> Result<Vec<u32>, Error> {
        let (mut runnable, mut invalid) = (Vec::new(), Vec::new());
        while let Some(node) = self.state.live.ready.pop_front() {
            if self.state.nodes[node as usize] != NodePhase::Waiting {
                continue;
            }
            let task = plan.task_name(node).to_owned();
            let guarded = match self.state.hearing(&plan.nodes[node as usize].awaits) {
                Hearing::Known => guard::look(self.state, plan, node),
                Hearing::Late => Guarded::Skip(SkipReason::Stopping),
                // It comes again when the status is known.
                Hearing::Awaited => continue,
            };
            match guarded {
                Guarded::Run => runnable.push(node),
                Guarded::Skip(reason) => self.change(Change::Skipped { task, reason })?,
                Guarded::Invalid(message) => invalid.push((task, message)),
            }
        }
        if invalid.is_empty() {
            return Ok(runnable);
        }
        for (task, message) in invalid {
            self.invalid(task, Refusal::new("PipelineValidationFailed", message))?;
        }
        self.stop(Stop::TaskFailed, "")?;
        runnable.retain(|node| self.state.nodes[*node as usize] == NodePhase::Waiting);
        Ok(runnable)
    }

    /// Starts a task, or puts it into the queue.
    fn begin(&mut self, plan: &Arc<Plan>, node: u32, rejected: &mut Vec<u32>) -> Result<(), Error> {
        if self.state.nodes[node as usize] != NodePhase::Waiting {
            return Ok(());
        }
        let task = plan.task_name(node).to_owned();
        if plan.task(node).matrix.is_some() {
            self.fan_out(plan, node, task)
        } else if self.has_room() && self.state.queue.is_empty() {
            self.launch(plan, node, &task, rejected)
        } else {
            self.change(Change::Queued { task })
        }
    }

    /// Dispatches what waits for room.
    fn fill(&mut self, plan: &Arc<Plan>, rejected: &mut Vec<u32>) -> Result<(), Error> {
        while let Some(position) = self.state.queue.front().copied().filter(|_| self.has_room()) {
            let child = &self.state.children[position as usize];
            let (key, node) = (child.key.clone(), child.node);
            self.launch(plan, node, &key, rejected)?;
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.state.live.running < self.limits.started_tasks_max.max(1)
    }

    fn fan_out(&mut self, plan: &Arc<Plan>, node: u32, task: String) -> Result<(), Error> {
        match matrix::combinations(self.state, plan, node) {
            Ok(combinations) if combinations.is_empty() => self.change(Change::Skipped {
                task,
                reason: SkipReason::EmptyMatrix,
            }),
            Ok(combinations) => self.change(Change::FannedOut { task, combinations }),
            Err(refusal) => {
                self.invalid(task, refusal)?;
                self.stop(Stop::TaskFailed, "")
            }
        }
    }

    fn invalid(&mut self, task: String, refusal: Refusal) -> Result<(), Error> {
        let (reason, message) = (refusal.reason.to_owned(), refusal.message);
        self.change(Change::Invalid { task, reason, message })
    }

    /// Dispatches the first attempt of a task, or fails it if it cannot be run as it is; what that
    /// means for the run is looked at when all that could start has.
    fn launch(&mut self, plan: &Arc<Plan>, node: u32, key: &str, rejected: &mut Vec<u32>) -> Result<(), Error> {
        if let Err(refusal) = task::check(self.state, plan, node, key) {
            rejected.push(node);
            self.change(Change::Rejected {
                task: key.to_owned(),
                at: self.at,
                reason: refusal.reason.to_owned(),
                message: refusal.message,
            })?;
            self.touch(key, true);
            return Ok(());
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
        self.deploy_started(node, key, 0);
        self.touch(key, false);
        Ok(())
    }
}
