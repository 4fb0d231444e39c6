//! One run in memory: takes what waits for it, decides, performs, and sees to what follows.

mod decide;
mod follow;
mod hear;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tidemill_bus::Stored;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Error;
use crate::journal::Log;
use crate::keeper::Kept;
use crate::planner::Planner;
use crate::receipt::Receipt;

/// Inputs decided together.
const TOGETHER_MAX: usize = 256;

/// Something for a run.
pub(crate) enum Input {
    /// A fact of the stream.
    Fact(Kept),
    /// What a runner says while it is being stored: it comes again as a fact of the stream.
    Heard(Box<Stored>),
    /// Its timer fired.
    Due(Kept),
    /// The sweep found this fact stored; it may have been acted on long ago.
    Found(Box<Stored>),
    /// Look at deadlines and attempts under way.
    Examine,
}

/// A job beside the actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    Project,
    Resolve,
    Purge,
    RemoveVolume,
    Examine,
}

/// One run in memory. What it knows it can lose at any time: the log has it.
pub(crate) struct Actor {
    planner: Arc<Planner>,
    run_uid: String,
    log: Option<Log>,
    /// Others may have worked on this run before: what a known fact asks for may not be done.
    inherited: bool,
    /// Status to write: task (`None`: the run), and whether it changes no more.
    dirty: BTreeMap<Option<String>, bool>,
    /// When status that may still change is written.
    flush_at: Option<Instant>,
    /// When status that changes no more is written.
    settle_at: Option<Instant>,
    /// Attempts whose end was decided on as heard: the facts to come about them change nothing.
    heard: HashSet<(String, u32)>,
    /// Acknowledged with the next projection.
    waiting: Vec<Receipt>,
    projecting: bool,
    /// What is being written.
    writing: BTreeMap<Option<String>, bool>,
    /// What a run leaves at its end was removed.
    closed: bool,
    /// Everything of it is being removed; what comes meanwhile is looked at after that.
    purging: bool,
    jobs: JoinSet<(Job, Result<(), Error>)>,
}

impl Actor {
    pub(crate) fn new(planner: Arc<Planner>, run_uid: String) -> Self {
        Self {
            planner,
            run_uid,
            log: None,
            inherited: false,
            dirty: BTreeMap::new(),
            flush_at: None,
            settle_at: None,
            heard: HashSet::new(),
            waiting: Vec::new(),
            projecting: false,
            writing: BTreeMap::new(),
            closed: false,
            purging: false,
            jobs: JoinSet::new(),
        }
    }

    /// Works until the run is over and nothing is left to do, or until it is evicted.
    pub(crate) async fn run(mut self, inbox: mpsc::Receiver<Input>) {
        let stopping = self.planner.stopping.clone();
        tokio::select! {
            biased;
            () = stopping.cancelled() => {}
            () = self.work(inbox) => {}
        }
    }

    async fn work(&mut self, mut inbox: mpsc::Receiver<Input>) {
        let mut open = true;
        let mut inputs = Vec::new();
        while open || self.is_busy() {
            let flush_at = self.flush_at.unwrap_or_else(Instant::now);
            let settle_at = self.settle_at.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                count = inbox.recv_many(&mut inputs, TOGETHER_MAX), if open && !self.purging => {
                    open = count > 0;
                    if open {
                        self.handle(std::mem::take(&mut inputs)).await;
                    }
                }
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => self.settle(done),
                () = tokio::time::sleep_until(settle_at), if self.settle_at.is_some() && !self.projecting => self.project(false),
                () = tokio::time::sleep_until(flush_at), if self.flush_at.is_some() && !self.projecting => self.project(true),
            }
            if !open {
                self.project(true);
            }
            if open && self.is_idle() && self.planner.runs.retire(&self.run_uid, &inbox) {
                return;
            }
        }
    }

    /// Something is under way or waits to be written.
    fn is_busy(&self) -> bool {
        !self.jobs.is_empty() || (self.log.is_some() && !(self.dirty.is_empty() && self.waiting.is_empty()))
    }

    /// Nothing is left to do and nothing is to be expected.
    fn is_idle(&self) -> bool {
        !self.is_busy() && self.log.as_ref().is_none_or(|log| log.state.is_over())
    }
}
