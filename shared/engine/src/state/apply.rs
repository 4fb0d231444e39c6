//! Changes applied: the only place where the state changes.

mod attempt;
mod release;
mod stop;

use std::sync::Arc;

use jiff::Timestamp;

use super::{End, NodePhase, Presence, RunState, Stage};
use crate::child::Child;
use crate::decision::Change;
use crate::error::Error;
use crate::plan::Plan;

impl RunState {
    /// Applies one change of a stored decision.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the change does not belong here; the state is then of no use.
    pub fn apply(&mut self, change: &Change) -> Result<(), Error> {
        match change {
            Change::Observed { at, run, limits } => {
                self.seen_at.get_or_insert(*at);
                self.run = Some(run.clone());
                self.limits = limits.clone();
            }
            Change::Ignored => self.stage = Stage::Ignored,
            Change::Held => self.stage = Stage::Pending,
            Change::Asked => self.stage = Stage::Resolving,
            Change::Resolved { found } => self.resolution.found.extend(found.iter().cloned()),
            Change::Started { at } => self.start(*at)?,
            Change::FannedOut { task, combinations } => self.fan_out(task, combinations)?,
            Change::Queued { task } => self.enqueue(task)?,
            Change::Dispatched { task, at } => self.dispatch(task, *at)?,
            Change::Returned { task, claim } => self.give_back(task, *claim)?,
            Change::Running {
                task,
                pod_name,
                started_at,
                steps,
            } => self.saw(task, pod_name, *started_at, steps)?,
            Change::Waits { task, message } => self.waits(task, message)?,
            Change::Ending { task, cause } => self.ending(task, *cause)?,
            Change::Ended {
                task,
                at,
                verdict,
                outcome,
                ..
            } => self.ended(task, *at, *verdict, outcome)?,
            Change::Rejected {
                task,
                at,
                reason,
                message,
            } => self.rejected(task, *at, reason, message)?,
            Change::Skipped { task, reason } => self.settle(task, NodePhase::Skipped { reason: *reason })?,
            Change::Invalid { task, reason, message } => {
                let (reason, message) = (reason.clone(), message.clone());
                self.settle(task, NodePhase::Invalid { reason, message })?;
            }
            Change::Stopped { stop, message } => self.stopped(*stop, message)?,
            Change::ReleaseAwaited { task, attempt, until } => self.await_release(task, *attempt, *until)?,
            Change::ReleaseHeard { task, report } => self.hear_release(task, report)?,
            Change::ReleaseUnheard { task } => self.give_up_release(task)?,
            Change::ReleaseClosing { task, until } => self.close_release(task, *until)?,
            Change::ReleaseSettled { task, report } => self.settle_release(task, report.as_deref())?,
            Change::FinallyStarted { at } => self.start_finally(*at)?,
            Change::Over {
                at,
                status,
                reason,
                message,
                results,
            } => {
                self.stage = Stage::Over;
                self.end = Some(End {
                    at: *at,
                    status: *status,
                    reason: reason.clone(),
                    message: message.clone(),
                    results: results.clone(),
                });
            }
            Change::Armed { at } => self.wake = Some(*at),
            Change::Fired => self.wake = None,
            Change::Deleting => self.presence = Presence::Deleting,
            Change::Finished => self.presence = Presence::Finished,
        }
        Ok(())
    }

    fn start(&mut self, at: Timestamp) -> Result<(), Error> {
        self.make_plan()?;
        let plan = self.need_plan()?;
        self.stage = Stage::Running;
        self.started_at = Some(at);
        self.nodes = vec![NodePhase::Waiting; plan.nodes.len()];
        Ok(())
    }

    fn start_finally(&mut self, at: Timestamp) -> Result<(), Error> {
        let plan = self.need_plan()?;
        self.finally_started_at = Some(at);
        let finally = plan.graph_length() as u32..plan.nodes.len() as u32;
        self.live
            .ready
            .extend(finally.filter(|node| self.nodes[*node as usize] == NodePhase::Waiting));
        Ok(())
    }

    fn fan_out(&mut self, task: &str, combinations: &[Vec<tidemill_resources::Param>]) -> Result<(), Error> {
        let node = self.waiting_node(task)?;
        let (first, count) = (self.children.len() as u32, combinations.len() as u32);
        for (index, combination) in combinations.iter().enumerate() {
            let key = if count == 1 {
                task.to_owned()
            } else {
                format!("{task}-{index}")
            };
            self.add_child(Child::new(key, node, combination.clone()));
            self.queue.push_back(first + index as u32);
        }
        self.nodes[node as usize] = NodePhase::Active {
            first,
            count,
            left: count,
        };
        Ok(())
    }

    /// Makes the one child of a task without matrix, in the queue.
    fn enqueue(&mut self, task: &str) -> Result<(), Error> {
        let position = self.only_child(task)?;
        self.queue.push_back(position);
        Ok(())
    }

    fn only_child(&mut self, task: &str) -> Result<u32, Error> {
        let node = self.waiting_node(task)?;
        let position = self.add_child(Child::new(task.to_owned(), node, Vec::new()));
        self.nodes[node as usize] = NodePhase::Active {
            first: position,
            count: 1,
            left: 1,
        };
        Ok(position)
    }

    fn add_child(&mut self, child: Child) -> u32 {
        let position = self.children.len() as u32;
        self.live.children.insert(child.key.clone(), position);
        self.children.push(child);
        position
    }

    /// A node that has no children to wait for is done.
    fn settle(&mut self, task: &str, phase: NodePhase) -> Result<(), Error> {
        let node = self.waiting_node(task)?;
        self.finish_node(node, phase)
    }

    fn finish_node(&mut self, node: u32, phase: NodePhase) -> Result<(), Error> {
        let plan = self.need_plan()?;
        self.nodes[node as usize] = phase;
        self.live.node_done(&plan, node, plan.nodes[node as usize].is_finally);
        self.count(node);
        Ok(())
    }

    fn waiting_node(&self, task: &str) -> Result<u32, Error> {
        let node = self.need_plan()?.index.get(task).copied();
        match node.filter(|node| self.nodes[*node as usize] == NodePhase::Waiting) {
            Some(node) => Ok(node),
            None => Err(self.corrupt(&format!("task {task:?} is not waiting"))),
        }
    }

    fn need_plan(&self) -> Result<Arc<Plan>, Error> {
        self.live.plan.clone().ok_or_else(|| self.corrupt("it has not started"))
    }

    pub(super) fn corrupt(&self, why: &str) -> Error {
        Error::Corrupt {
            run: self.uid.clone(),
            why: why.to_owned(),
        }
    }
}
