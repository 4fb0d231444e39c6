//! While an attempt is played: its events become facts and output, orders reach its backend.

use std::sync::Arc;
use std::time::Duration;

use tidemill_messages::report::{Report, ReportBody};
use tidemill_messages::{AttemptOutcome, Ending, StartTask};
use tidemill_telemetry::{Chain, fail_point};
use tokio::time::{Instant, sleep, sleep_until};

use super::announcing::Announcing;
use super::logs::Logs;
use super::sandbox::{Sandbox, Trouble, remove, trouble};
use super::{Attempt, End, Orders};
use crate::backend::{Event, Playing};
use crate::fence;
use crate::outcome;
use crate::retry::{LetGo, until_answered};

/// How often a sandbox is tried before the attempt is given back.
const TRIES: u32 = 3;
/// How long what an attempt left lies while nothing else runs: to remove it competes with what starts next.
const TIDYING_DELAY: Duration = Duration::from_millis(20);
/// Pause before the third try. The second comes at once: what an earlier life left is out of the way
/// then.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest pause before an attempt is given back; it doubles with each dispatch.
const RETURN_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Why an attempt is not played (here) any more.
enum Stop {
    Finished(Box<AttemptOutcome>),
    /// Gone with all its processes, after a step had started.
    Lost(String),
    /// Gone with all its processes, before any step had started.
    Vanished(String),
    /// To be let go.
    LetGo,
}

impl Attempt {
    /// Starts the attempt, whose claim is ours, and follows it to its end. A sandbox that fails before
    /// a step started is made anew a few times; then the attempt is given back.
    pub(super) async fn play_out(
        &mut self,
        command: &Arc<StartTask>,
        mut sandbox: Result<Sandbox, Trouble>,
        claim: u64,
    ) -> Result<End, LetGo> {
        let mut tries = 1;
        loop {
            let trouble = match sandbox {
                Ok(sandbox) => match self.run(sandbox).await? {
                    None => return Ok(End::Over),
                    Some(trouble) => trouble,
                },
                Err(trouble) => trouble,
            };
            let message = match trouble {
                Trouble::Task { reason, message } => {
                    let outcome = self.unstarted(Ending::Failed { reason, message });
                    return self.end_unstarted(outcome).await;
                }
                Trouble::Place(message) => message,
            };
            tracing::warn!(attempt = %self.key, tries, message, "The sandbox failed before a step had started.");
            if tries == TRIES {
                return self.give_back(claim, message).await;
            }
            sleep(PAUSE * (tries - 1)).await;
            tries += 1;
            let cancel = self.orders.borrow().cancel;
            if let Some(reason) = cancel {
                return self.end_unstarted(self.cancelled(reason)).await;
            }
            // The claim is ours, so what lies there is of no owner: half a sandbox, or a loser's.
            if let Err(error) = self.context.backend.discard(&self.key).await {
                tracing::warn!(attempt = %self.key, error = %Chain(&error), "A left sandbox could not be removed.");
            }
            sandbox = self.make(command).await;
        }
    }

    /// Gives the attempt back, later each time: what is amiss here may need people.
    async fn give_back(&mut self, claim: u64, message: String) -> Result<End, LetGo> {
        self.slot = None;
        if self.dispatch > 0 {
            let pause = PAUSE.saturating_mul(1 << self.dispatch.min(16)).min(RETURN_PAUSE_MAX);
            let mut orders = self.orders.clone();
            let told = orders.wait_for(|orders| orders.let_go || orders.cancel.is_some());
            drop(tokio::time::timeout(pause, told).await);
        }
        let orders = *self.orders.borrow();
        match orders.cancel {
            _ if orders.let_go => return Err(LetGo),
            Some(reason) => return self.end_unstarted(self.cancelled(reason)).await,
            None => {}
        }
        self.store_returned(claim, message).await?;
        self.acknowledge().await;
        Ok(End::Over)
    }

    async fn end_unstarted(&mut self, outcome: AttemptOutcome) -> Result<End, LetGo> {
        self.slot = None;
        self.store_finished(outcome).await?;
        self.acknowledge().await;
        Ok(End::Over)
    }

    /// Lets the first step go and follows the attempt. `None`: it is over.
    async fn run(&mut self, mut sandbox: Sandbox) -> Result<Option<Trouble>, LetGo> {
        if !self.context.hold.is_held() || self.orders.borrow().let_go {
            sandbox.remove(&self.key).await;
            return Err(LetGo);
        }
        if let Err(error) = sandbox.playing.start().await {
            sandbox.remove(&self.key).await;
            return Ok(Some(trouble(error)));
        }
        fail_point("runner.started");
        self.acknowledge().await;
        sandbox.progress.started(self.context.bus.now());
        self.follow(sandbox, 0).await
    }

    /// Follows an attempt that runs; output up to report `stored_before` is stored already.
    pub(super) async fn follow(&mut self, mut sandbox: Sandbox, stored_before: u64) -> Result<Option<Trouble>, LetGo> {
        let mut logs = Logs::new(self.context.bus.clone(), self.traceparent.clone(), stored_before);
        let stop = self.listen(&mut sandbox, &mut logs).await;
        let Sandbox { playing, progress, .. } = sandbox;
        let outcome = match stop {
            Stop::Finished(outcome) => match self.taken_up_at {
                Some(at) => outcome.started_by(at),
                None => *outcome,
            },
            Stop::Lost(message) => AttemptOutcome {
                ending: Ending::Lost { message },
                ..progress.outcome(self.context.bus.now(), outcome::End::default())
            },
            Stop::Vanished(message) => {
                remove(playing, &self.key).await;
                return Ok(Some(Trouble::Place(message)));
            }
            Stop::LetGo => {
                playing.release().await;
                return Err(LetGo);
            }
        };
        self.conclude(playing, logs, outcome).await.map(|()| None)
    }

    /// Stores the outcome, then what is left of the output, and removes the sandbox. The slot is free
    /// before any of that, since the processes are gone; with many ends under way after it.
    async fn conclude(
        &mut self,
        playing: Box<dyn Playing>,
        mut logs: Logs,
        outcome: AttemptOutcome,
    ) -> Result<(), LetGo> {
        let _ending = self.context.slots.ending();
        let _kept = self.slot.take().filter(|_| self.context.slots.has_many_endings());
        let stored = async {
            self.store_finished(outcome).await?;
            fail_point("runner.finished-stored");
            while !logs.is_empty() {
                tokio::select! {
                    _ = logs.durable() => {}
                    () = self.context.hold.lost() => return Err(LetGo),
                }
            }
            Ok(())
        };
        match stored.await {
            Ok(()) => {
                if self.context.slots.busy() == 0 {
                    sleep(TIDYING_DELAY).await;
                }
                remove(playing, &self.key).await;
            }
            Err(LetGo) => {
                playing.release().await;
                return Err(LetGo);
            }
        }
        fail_point("runner.removed");
        Ok(())
    }

    async fn listen(&mut self, sandbox: &mut Sandbox, logs: &mut Logs) -> Stop {
        let mut obeyed = Orders::default();
        let mut announcing = Announcing::new(Instant::now());
        loop {
            let announce_at = announcing.due_at();
            tokio::select! {
                biased;
                changed = self.orders.changed() => {
                    if changed.is_err() || self.obey(&mut *sandbox.playing, &mut obeyed).await.is_err() {
                        return Stop::LetGo;
                    }
                }
                event = sandbox.events.recv(), if logs.has_room() => match event {
                    Some(Event::Report(report)) => {
                        self.take(report, sandbox, logs);
                        announcing.heard(sandbox.progress.steps_started(), Instant::now());
                    }
                    Some(Event::Finished(outcome)) => return Stop::Finished(outcome),
                    Some(Event::Gone { step_started: true, message }) => return Stop::Lost(message),
                    Some(Event::Gone { step_started: false, message }) => return Stop::Vanished(message),
                    None => {
                        tracing::warn!(attempt = %self.key, "The backend lost sight of an attempt; it is looked for.");
                        return Stop::LetGo;
                    }
                },
                sequence = logs.durable(), if !logs.is_empty() => sandbox.playing.stored(sequence).await,
                () = sleep_until(announce_at.unwrap_or_else(Instant::now)), if announce_at.is_some() => {
                    if let Some(number) = announcing.look(sandbox.progress.steps_started(), Instant::now()) {
                        self.announce(&sandbox.progress, number);
                    }
                }
            }
        }
    }

    fn take(&self, report: Report, sandbox: &mut Sandbox, logs: &mut Logs) {
        sandbox.progress.take(report.at, &report.body);
        logs.push(&self.key, &report);
        if matches!(report.body, ReportBody::ContainerFinished { .. }) {
            fail_point("runner.step-reported");
        }
    }

    /// Does what the core asks now and had not asked before.
    async fn obey(&mut self, playing: &mut dyn Playing, obeyed: &mut Orders) -> Result<(), LetGo> {
        let mut orders = *self.orders.borrow_and_update();
        if orders.let_go {
            return Err(LetGo);
        }
        if orders.connections != obeyed.connections && orders.cancel.is_none() {
            let context = self.context.clone();
            orders.cancel = until_answered(&context.hold, || fence::cancelled(&context.bus, &self.key)).await?;
        }
        if let (Some(reason), None) = (orders.cancel, obeyed.cancel) {
            playing.kill(reason).await;
        }
        // A cancel that was read stays obeyed although the core never heard of it.
        *obeyed = Orders {
            cancel: orders.cancel.or(obeyed.cancel),
            ..orders
        };
        Ok(())
    }
}
