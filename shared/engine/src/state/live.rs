//! What is computed from the stored state and kept beside it, so that no fact costs a walk over the run.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use tidemill_resources::Duration;

use super::{Counts, NodePhase, RunState, Stage};
use crate::child::Phase;
use crate::decision::Stop;
use crate::error::Error;
use crate::plan::Plan;

/// Derived from the rest of the state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    /// The plan.
    pub(crate) plan: Option<Arc<Plan>>,
    /// By node: parents that are not done.
    pub(crate) waiting: Vec<u32>,
    /// Nodes whose parents are done and which may not have been looked at.
    pub(crate) ready: VecDeque<u32>,
    /// Positions of children by key.
    pub(crate) children: HashMap<String, u32>,
    /// Time limits of running attempts that were not told to end.
    pub(crate) deadlines: BTreeSet<(Timestamp, u32)>,
    /// Attempts in flight.
    pub(crate) running: u32,
    /// Nodes of the graph that are not done.
    pub(crate) graph_left: u32,
    /// Nodes of `finally` that are not done.
    pub(crate) finally_left: u32,
    /// How the nodes ended so far.
    pub(crate) counts: Counts,
    /// The same without `finally`: what its tasks are told does not change while they run.
    pub(crate) graph_counts: Counts,
}

/// `at` + `duration`; beyond the end of time there is no deadline.
pub(crate) fn after(at: Timestamp, duration: Duration) -> Option<Timestamp> {
    at.checked_add(jiff::SignedDuration::from_nanos(duration.as_nanos()))
        .ok()
}

impl RunState {
    /// Computes the derived part from the stored one.
    pub(super) fn revive(&mut self) -> Result<(), Error> {
        self.make_plan()?;
        let Some(plan) = self.live.plan.clone() else {
            return Ok(());
        };
        if self.nodes.len() != plan.nodes.len() {
            return Err(self.corrupt("the number of tasks is not that of the plan"));
        }
        for node in 0..self.nodes.len() as u32 {
            if self.nodes[node as usize].is_done() {
                self.live.node_done(&plan, node, plan.nodes[node as usize].is_finally);
                self.count(node);
            }
        }
        self.live
            .ready
            .retain(|node| self.nodes[*node as usize] == NodePhase::Waiting);
        for position in 0..self.children.len() as u32 {
            let child = &self.children[position as usize];
            self.live.children.insert(child.key.clone(), position);
            if child.is_running() {
                self.live.running += 1;
                self.watch(position);
            }
        }
        Ok(())
    }

    /// Makes the plan unless there is one; the derived part is that of a run whose tasks all wait.
    pub(super) fn make_plan(&mut self) -> Result<(), Error> {
        let Some(run) = &self.run else {
            return Err(self.corrupt("it was never observed"));
        };
        if self.live.plan.is_none() {
            match Plan::new(run, &self.resolution, self.limits.default_timeout) {
                Ok(plan) => self.live.plan = Some(Arc::new(plan)),
                // A run that was refused is over without a plan.
                Err(_) if self.stage == Stage::Over => return Ok(()),
                Err(refusal) => return Err(self.corrupt(&refusal.message)),
            }
        }
        if let Some(plan) = self.live.plan.clone() {
            self.live.reset(&plan);
        }
        Ok(())
    }

    /// Puts the deadline of a running attempt on the list.
    pub(super) fn watch(&mut self, position: u32) {
        if let Some(at) = self.attempt_deadline(position) {
            self.live.deadlines.insert((at, position));
        }
    }

    /// Takes it off again.
    pub(super) fn unwatch(&mut self, position: u32) {
        if let Some(at) = self.attempt_deadline(position) {
            self.live.deadlines.remove(&(at, position));
        }
    }

    fn attempt_deadline(&self, position: u32) -> Option<Timestamp> {
        let child = &self.children[position as usize];
        match (&child.phase, self.plan()) {
            (Phase::Running { since, cause: None, .. }, Some(plan)) => {
                after(*since, plan.nodes[child.node as usize].timeout?)
            }
            _ => None,
        }
    }

    /// The run's own next deadline, given what stopped it already.
    pub(super) fn run_deadline(&self) -> Option<Timestamp> {
        self.run_deadlines().into_iter().flatten().map(|(at, _)| at).min()
    }

    /// The run's own deadlines and what passing them means.
    pub(crate) fn run_deadlines(&self) -> [Option<(Timestamp, Stop)>; 3] {
        let (Some(plan), Some(start)) = (self.plan(), self.started_at) else {
            return [None; 3];
        };
        let stop = self.stop();
        let open = |limit: Stop| stop.is_none_or(|stop| stop < limit);
        let at = |since: Option<Timestamp>, limit: Option<Duration>, stop: Stop| {
            Some((after(since?, limit?)?, stop)).filter(|_| open(stop))
        };
        let in_graph = Some(start).filter(|_| self.finally_started_at.is_none());
        [
            at(Some(start), plan.limits.pipeline, Stop::TimedOut),
            at(in_graph, plan.limits.tasks, Stop::TasksTimedOut),
            at(self.finally_started_at, plan.limits.finally, Stop::FinallyTimedOut),
        ]
    }
}

impl Live {
    fn reset(&mut self, plan: &Arc<Plan>) {
        self.waiting = plan.nodes.iter().map(|node| node.parents.len() as u32).collect();
        self.ready = (0..plan.graph_length() as u32)
            .filter(|node| self.waiting[*node as usize] == 0)
            .collect();
        self.graph_left = plan.graph_length() as u32;
        self.finally_left = (plan.nodes.len() - plan.graph_length()) as u32;
    }

    /// A node is done: those that wait for it may be ready now.
    pub(super) fn node_done(&mut self, plan: &Plan, node: u32, is_finally: bool) {
        if is_finally {
            self.finally_left -= 1;
            return;
        }
        self.graph_left -= 1;
        for &successor in &plan.nodes[node as usize].successors {
            let waiting = &mut self.waiting[successor as usize];
            *waiting -= 1;
            if *waiting == 0 {
                self.ready.push_back(successor);
            }
        }
    }
}

impl NodePhase {
    /// Whether nothing more happens to the node.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Skipped { .. } | Self::Invalid { .. })
    }
}
