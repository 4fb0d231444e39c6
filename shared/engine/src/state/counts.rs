//! How many pipeline tasks ended how.

use tidemill_resources::pipeline_run::SkipReason;

use super::{NodePhase, RunState};
use crate::child::Phase;
use crate::decision::Verdict;

/// Pipeline tasks by their end; those that have not ended are in none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Succeeded.
    pub(crate) succeeded: u32,
    /// Failed, and that counts.
    pub(crate) failed: u32,
    /// Failed, with `onError: continue`.
    pub(crate) ignored: u32,
    /// Cancelled.
    pub(crate) cancelled: u32,
    /// Needed a result that does not exist.
    pub(crate) invalid: u32,
    /// Skipped for any reason.
    pub(crate) skipped: u32,
    /// Skipped for a time limit; counted in `skipped` too.
    pub(crate) timed_out: u32,
}

impl Counts {
    /// Tasks that have ended one way or another.
    pub(crate) fn ended(&self) -> u32 {
        self.succeeded + self.failed + self.ignored + self.cancelled + self.invalid + self.skipped
    }

    fn add(&mut self, phase: &NodePhase, verdict: Option<Verdict>, continues: bool) {
        match phase {
            NodePhase::Skipped { reason } => {
                self.skipped += 1;
                self.timed_out += u32::from(is_timeout(*reason));
            }
            NodePhase::Invalid { .. } => self.invalid += 1,
            NodePhase::Done { .. } => match verdict {
                Some(Verdict::Failed) if continues => self.ignored += 1,
                Some(Verdict::Failed) => self.failed += 1,
                Some(Verdict::Cancelled) => self.cancelled += 1,
                _ => self.succeeded += 1,
            },
            NodePhase::Waiting | NodePhase::Active { .. } => {}
        }
    }
}

impl RunState {
    /// Counts a node that is done now.
    pub(super) fn count(&mut self, node: u32) {
        let Some(plan) = self.plan() else { return };
        let (continues, is_finally) = {
            let of_node = &plan.nodes[node as usize];
            (of_node.continues, of_node.is_finally)
        };
        let verdict = self.verdict(node);
        let phase = &self.nodes[node as usize];
        self.live.counts.add(phase, verdict, continues);
        if !is_finally {
            self.live.graph_counts.add(phase, verdict, continues);
        }
    }

    /// How a node ended that is done: the worst of its children.
    pub(crate) fn verdict(&self, node: u32) -> Option<Verdict> {
        let NodePhase::Done { first, count } = self.nodes[node as usize] else {
            return None;
        };
        let mut worst = Verdict::Succeeded;
        for child in &self.children[first as usize..(first + count) as usize] {
            match (child.verdict(), &child.phase) {
                (Some(Verdict::Failed), _) => return Some(Verdict::Failed),
                (Some(Verdict::Cancelled), _) | (_, Phase::Dropped) => worst = Verdict::Cancelled,
                _ => {}
            }
        }
        Some(worst)
    }
}

fn is_timeout(reason: SkipReason) -> bool {
    matches!(
        reason,
        SkipReason::PipelineTimedOut | SkipReason::TasksTimedOut | SkipReason::FinallyTimedOut
    )
}
