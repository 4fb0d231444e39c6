//! Changes of one child.

use jiff::Timestamp;
use tidemill_messages::{AttemptOutcome, Ending};
use tidemill_resources::task_run::StepState;

use super::super::{NodePhase, RunState};
use crate::child::{Child, Past, Phase, Seen};
use crate::decision::{CancelCause, Verdict};
use crate::error::Error;

impl RunState {
    pub(super) fn dispatch(&mut self, task: &str, at: Timestamp) -> Result<(), Error> {
        let position = match self.live.children.get(task).copied() {
            Some(position) => position,
            None => self.only_child(task)?,
        };
        if self.children[position as usize].phase != Phase::Queued {
            return Err(self.corrupt(&format!("task {task:?} is not waiting for an attempt")));
        }
        if self.queue.front() == Some(&position) {
            self.queue.pop_front();
        }
        self.run_attempt(position, at);
        Ok(())
    }

    fn run_attempt(&mut self, position: u32, since: Timestamp) {
        self.children[position as usize].phase = Phase::Running {
            since,
            seen: None,
            waits: None,
            cause: None,
        };
        self.live.running += 1;
        self.watch(position);
    }

    pub(super) fn give_back(&mut self, task: &str, claim: u64) -> Result<(), Error> {
        let (_, child) = self.running(task)?;
        child.dispatch += 1;
        child.returned = claim;
        if let Phase::Running { seen, .. } = &mut child.phase {
            *seen = None;
        }
        Ok(())
    }

    pub(super) fn saw(
        &mut self,
        task: &str,
        pod_name: &str,
        started_at: Timestamp,
        steps: &[StepState],
    ) -> Result<(), Error> {
        let (_, child) = self.running(task)?;
        if let Phase::Running { seen, .. } = &mut child.phase {
            *seen = Some(Seen {
                pod_name: pod_name.to_owned(),
                started_at,
                steps: steps.to_vec(),
            });
        }
        Ok(())
    }

    pub(super) fn waits(&mut self, task: &str, message: &str) -> Result<(), Error> {
        let (_, child) = self.running(task)?;
        if let Phase::Running { waits, .. } = &mut child.phase {
            *waits = Some(message.to_owned());
        }
        Ok(())
    }

    pub(super) fn ending(&mut self, task: &str, why: CancelCause) -> Result<(), Error> {
        let (position, _) = self.running(task)?;
        self.unwatch(position);
        if let Phase::Running { cause, .. } = &mut self.children[position as usize].phase {
            *cause = Some(why);
        }
        Ok(())
    }

    pub(super) fn ended(
        &mut self,
        task: &str,
        at: Timestamp,
        verdict: Verdict,
        outcome: &AttemptOutcome,
    ) -> Result<(), Error> {
        let (position, _) = self.running(task)?;
        self.unwatch(position);
        self.live.running -= 1;
        let child = &mut self.children[position as usize];
        let Phase::Running { since, cause, .. } = child.phase else {
            return Ok(());
        };
        let outcome = Box::new(outcome.clone());
        if matches!(verdict, Verdict::Retried | Verdict::Rerun) {
            child.past.push(Past { since, cause, outcome });
            child.attempt += 1;
            child.reruns += u32::from(verdict == Verdict::Rerun);
            (child.dispatch, child.returned) = (0, 0);
            self.run_attempt(position, at);
            return Ok(());
        }
        child.phase = Phase::Over {
            since: Some(since),
            at,
            verdict,
            cause,
            outcome,
        };
        self.child_over(position)
    }

    pub(super) fn rejected(&mut self, task: &str, at: Timestamp, reason: &str, message: &str) -> Result<(), Error> {
        let position = match self.live.children.get(task).copied() {
            Some(position) => position,
            None => self.only_child(task)?,
        };
        if self.queue.front() == Some(&position) {
            self.queue.pop_front();
        }
        self.children[position as usize].phase = Phase::Over {
            since: None,
            at,
            verdict: Verdict::Failed,
            cause: None,
            outcome: Box::new(AttemptOutcome {
                ending: Ending::Failed {
                    reason: reason.to_owned(),
                    message: message.to_owned(),
                },
                pod_name: String::new(),
                started_at: None,
                completed_at: at,
                steps: Vec::new(),
                step_times_us: Vec::new(),
                sidecars: Vec::new(),
                results: Vec::new(),
            }),
        };
        self.child_over(position)
    }

    /// A child is over; with the last one its node is done.
    fn child_over(&mut self, position: u32) -> Result<(), Error> {
        let node = self.children[position as usize].node;
        let NodePhase::Active { first, count, left } = &mut self.nodes[node as usize] else {
            return Err(self.corrupt("a task is over that was not active"));
        };
        *left -= 1;
        let (first, count, left) = (*first, *count, *left);
        if left == 0 {
            self.finish_node(node, NodePhase::Done { first, count })
        } else {
            Ok(())
        }
    }

    fn running(&mut self, task: &str) -> Result<(u32, &mut Child), Error> {
        let position = self.live.children.get(task).copied();
        match position.filter(|position| self.children[*position as usize].is_running()) {
            Some(position) => Ok((position, &mut self.children[position as usize])),
            None => Err(self.corrupt(&format!("task {task:?} is not running"))),
        }
    }
}
