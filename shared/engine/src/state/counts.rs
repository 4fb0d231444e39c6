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
}

impl RunState {
    /// Counts a node that is done now.
    pub(super) fn count(&mut self, node: u32) {
        let verdict = self.verdict(node);
        let continues = self.plan().is_some_and(|plan| plan.nodes[node as usize].continues);
        let counts = &mut self.live.counts;
        match &self.nodes[node as usize] {
            NodePhase::Skipped { reason } => {
                counts.skipped += 1;
                counts.timed_out += u32::from(is_timeout(*reason));
            }
            NodePhase::Invalid { .. } => counts.invalid += 1,
            NodePhase::Done { .. } => match verdict {
                Some(Verdict::Failed) if continues => counts.ignored += 1,
                Some(Verdict::Failed) => counts.failed += 1,
                Some(Verdict::Cancelled) => counts.cancelled += 1,
                _ => counts.succeeded += 1,
            },
            NodePhase::Waiting | NodePhase::Active { .. } => {}
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
