//! A decision in the making.

use jiff::Timestamp;

use crate::decision::{CancelCause, Change, Decision, Effect, Stop};
use crate::error::Error;
use crate::fact::Fact;
use crate::limits::Limits;
use crate::state::{RunState, Stage};

/// A decision in the making: every change is applied at once, so that what follows sees it.
pub(super) struct Turn<'a> {
    pub(super) state: &'a mut RunState,
    pub(super) at: Timestamp,
    pub(super) limits: &'a Limits,
    changes: Vec<Change>,
    effects: Vec<Effect>,
    /// Tasks whose TaskRun looks different now, and whether for the last time.
    touched: Vec<(String, bool)>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(state: &'a mut RunState, at: Timestamp, limits: &'a Limits) -> Self {
        Self {
            state,
            at,
            limits,
            changes: Vec::new(),
            effects: Vec::new(),
            touched: Vec::new(),
        }
    }

    /// Applies and records a change.
    pub(super) fn change(&mut self, change: Change) -> Result<(), Error> {
        self.state.apply(&change)?;
        self.changes.push(change);
        Ok(())
    }

    /// Records an effect.
    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// The TaskRun of a task has to be written.
    pub(super) fn touch(&mut self, task: &str, last: bool) {
        match self.touched.iter_mut().find(|(known, _)| known == task) {
            Some((_, is_last)) => *is_last |= last,
            None => self.touched.push((task.to_owned(), last)),
        }
    }

    /// Stops the run unless a stronger reason has, and ends the attempts this reason ends.
    pub(super) fn stop(&mut self, stop: Stop, message: &str) -> Result<(), Error> {
        if self.state.stop().is_some_and(|before| before >= stop) {
            return Ok(());
        }
        self.change(Change::Stopped {
            stop,
            message: message.to_owned(),
        })?;
        if stop.ends_running() {
            self.end_running(stop)?;
        }
        Ok(())
    }

    fn end_running(&mut self, stop: Stop) -> Result<(), Error> {
        let running = self.state.children.iter().filter(|child| child.is_running());
        let concerned = running.filter(|child| self.ends_attempts(child.node));
        let keys: Vec<String> = concerned.map(|child| child.key.clone()).collect();
        for key in keys {
            self.end_attempt(&key, CancelCause::Run(stop))?;
        }
        Ok(())
    }

    /// Whether what stopped the run ends the attempts of this node.
    pub(super) fn ends_attempts(&self, node: u32) -> bool {
        let graph = self.state.plan().map_or(0, |plan| plan.graph_length()) as u32;
        self.state
            .stop()
            .is_some_and(|stop| stop.ends_running() && (stop.is_final() || node < graph))
    }

    /// Tells a running attempt to end, unless it was told before.
    pub(super) fn end_attempt(&mut self, task: &str, cause: CancelCause) -> Result<(), Error> {
        let Some((_, child)) = self.state.child(task) else {
            return Ok(());
        };
        let crate::child::Phase::Running { cause: None, .. } = child.phase else {
            return Ok(());
        };
        let attempt = child.attempt;
        self.change(Change::Ending {
            task: task.to_owned(),
            cause,
        })?;
        self.effect(Effect::CancelTask {
            task: task.to_owned(),
            attempt,
            reason: cause.reason(),
        });
        Ok(())
    }

    /// The fact does not fit.
    pub(super) fn illegal(&self, fact: &Fact, why: impl Into<String>) -> Error {
        Error::Illegal {
            run: self.state.uid.clone(),
            state: self.state.stage.as_str(),
            fact: fact.summary(),
            why: why.into(),
        }
    }

    /// Sets the timer if need be, and puts changes and effects together.
    pub(super) fn close(mut self) -> Result<Decision, Error> {
        if self.changes.is_empty() && self.effects.is_empty() {
            return Ok(Decision::default());
        }
        self.arm()?;
        for (task, last) in std::mem::take(&mut self.touched) {
            self.effects.push(Effect::Project { task: Some(task), last });
        }
        if !matches!(self.state.stage, Stage::New | Stage::Ignored) {
            let last = self.state.stage == Stage::Over;
            self.effects.push(Effect::Project { task: None, last });
        }
        if self.state.is_deleting() && self.state.is_over() {
            self.change(Change::Finished)?;
            self.effects.push(Effect::Finish);
        }
        Ok(Decision {
            changes: self.changes,
            effects: self.effects,
        })
    }

    /// P5: the timer is set when it must fire earlier, or has fired.
    fn arm(&mut self) -> Result<(), Error> {
        let Some(at) = self.state.next_deadline() else {
            return Ok(());
        };
        if self.state.wake.is_none_or(|wake| at < wake) {
            self.change(Change::Armed { at })?;
            self.effect(Effect::Wake { at });
        }
        Ok(())
    }
}
