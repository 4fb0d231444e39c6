//! The run stops: what has not started does not start.

use super::super::{NodePhase, RunState, Stopped};
use crate::child::Phase;
use crate::decision::Stop;
use crate::error::Error;

impl RunState {
    pub(super) fn stopped(&mut self, stop: Stop, message: &str) -> Result<(), Error> {
        if self.stop().is_some_and(|before| before > stop) {
            return Err(self.corrupt("a stronger reason stopped it before"));
        }
        self.stopped = Some(Stopped {
            stop,
            message: message.to_owned(),
        });
        let Some(plan) = self.live.plan.clone() else {
            return Ok(());
        };
        let graph = plan.graph_length() as u32;
        let end = if stop.is_final() {
            plan.nodes.len() as u32
        } else {
            graph
        };
        // The limit of `finally` passes when the graph is done: there is nothing to skip in it.
        for node in 0..end {
            match self.nodes[node as usize] {
                NodePhase::Waiting if stop == Stop::TaskFailed && self.is_spared(&plan.nodes[node as usize].awaits) => {
                }
                NodePhase::Waiting => self.finish_node(
                    node,
                    NodePhase::Skipped {
                        reason: stop.skip_reason(),
                    },
                )?,
                NodePhase::Active { .. } => self.drop_queued(node, stop)?,
                NodePhase::Done { .. } | NodePhase::Skipped { .. } | NodePhase::Invalid { .. } => {}
            }
        }
        self.queue
            .retain(|child| self.children[*child as usize].phase == Phase::Queued);
        Ok(())
    }

    /// Drops children that wait for room; a node that had no other is skipped.
    fn drop_queued(&mut self, node: u32, stop: Stop) -> Result<(), Error> {
        let NodePhase::Active { first, count, mut left } = self.nodes[node as usize] else {
            return Ok(());
        };
        let mut started = false;
        for child in &mut self.children[first as usize..(first + count) as usize] {
            started |= child.exists();
            if child.phase == Phase::Queued {
                child.phase = Phase::Dropped;
                left -= 1;
            }
        }
        if !started {
            return self.finish_node(
                node,
                NodePhase::Skipped {
                    reason: stop.skip_reason(),
                },
            );
        }
        if left == 0 {
            return self.finish_node(node, NodePhase::Done { first, count });
        }
        self.nodes[node as usize] = NodePhase::Active { first, count, left };
        Ok(())
    }
}
