//! Taking over an attempt whose owner is gone (R2, R5): the next claim of the chain, then adoption.

use std::sync::Arc;
use std::time::Duration;

use futures::TryFutureExt;
use tidemill_bus::{Stored, blob};
use tidemill_messages::claim::Claim;
use tidemill_messages::{AttemptOutcome, CancelReason, Ending, StartTask, decode, stream, subject};
use tidemill_telemetry::Chain;

use super::logs::Logs;
use super::sandbox::{Found, Sandbox, Trouble};
use super::{Attempt, End, Task};
use crate::claim::{self, Link, Outcome, Wanted};
use crate::fence::Fence;
use crate::outcome;
use crate::retry::{LetGo, until_answered};

/// When to ask again for a task that somebody else has claimed and not acknowledged.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// The command of an attempt that is taken over.
struct Command {
    task: Arc<StartTask>,
    /// Where it lies.
    sequence: u64,
}

impl Attempt {
    /// A task whose claim is somebody else's: taken over if its owner gave it back and it was dispatched
    /// again, acknowledged if it is over, else asked for again. Its owner acknowledges it once it runs.
    pub(crate) async fn take_back(self, link: Link, task: Task) -> End {
        let subject = subject::attempt_fact(&self.key, &format!("returned.{}", link.sequence));
        let bus = &self.context.bus;
        let (returned, finished) = futures::join!(
            until_answered(&self.context.hold, || bus.last(stream::FACTS, &subject)),
            self.is_finished()
        );
        let is_dispatched_again = task.is_newer_than(&link.claim);
        match (returned, finished) {
            (Ok(_), Ok(true)) => task.ack().await,
            (Ok(Some(_)), Ok(false)) if is_dispatched_again => return self.take_over(link, Some(task)).await,
            (Ok(_), Ok(false)) => task.retry_after(ASK_AGAIN).await,
            (Err(LetGo), _) | (_, Err(LetGo)) => return End::LetGo,
        }
        End::Over
    }

    /// Takes the attempt over from the owner of `link`. `task` is there when it was delivered (again);
    /// else its command is read from where the claim says.
    pub(crate) async fn take_over(mut self, link: Link, task: Option<Task>) -> End {
        self.context.ahead.forget(&self.key).await;
        self.dispatch = task.as_ref().map_or(0, Task::dispatch);
        let is_newer = task.as_ref().is_some_and(|task| task.is_newer_than(&link.claim));
        let known = task.map(|task| {
            let sequence = task.sequence();
            self.keep(task.delivery);
            Command {
                task: task.command,
                sequence,
            }
        });
        self.succeed(link, known, is_newer).await.unwrap_or(End::LetGo)
    }

    async fn succeed(&mut self, link: Link, known: Option<Command>, is_newer: bool) -> Result<End, LetGo> {
        let (command, is_finished) = futures::join!(self.command(known, &link.claim), self.is_finished());
        let (command, is_finished) = (command?, is_finished?);
        if command.is_none() && !is_finished && self.may_be_stored_yet(&link.claim).await? {
            // Its planner, or the next, stores it now; it may run already. It comes as a task.
            tracing::debug!(attempt = %self.key, "Claimed before its command was stored: left until that comes.");
            return Ok(End::Over);
        }
        let Some(Command {
            task: command,
            sequence,
        }) = command.filter(|_| !is_finished)
        else {
            // Over, or purged with its run: what is left of it is of no use.
            self.discard().await;
            self.acknowledge().await;
            return Ok(End::Over);
        };
        self.traceparent = command.traceparent.clone().unwrap_or_default();
        let context = self.context.clone();
        // Whoever replaces a claim answers for the boot it was made in, unless the attempt was dispatched
        // again since: then nothing had started.
        let boot_id = match is_newer || link.claim.boot_id.is_empty() {
            true => context.boot_id(),
            false => &link.claim.boot_id,
        };
        let wanted = Wanted {
            key: &self.key,
            class: &link.claim.class,
            command_sequence: sequence,
            command_subject: "",
            expected: link.sequence,
            boot_id,
            traceparent: &self.traceparent,
        };
        let claimed = claim::take(&context.bus, &context.hold, &context.me, wanted).await?;
        let Outcome::Mine { sequence: claim, .. } = claimed else {
            return Ok(End::Over);
        };
        self.claim_is_stored(claim);
        tracing::info!(attempt = %self.key, from = link.claim.runner, "An attempt was taken over.");
        if boot_id != context.boot_id() {
            return self.end_lost(&command).await;
        }
        let (fence, found) = futures::join!(self.fence(), Sandbox::adopt(&context, &self.key, &command));
        // The owner before took it up when it claimed it.
        self.taken_up_at = Some(link.at);
        self.adopt(fence?, found, &command, claim).await
    }

    /// Ends an attempt of an earlier boot: a step may have run.
    async fn end_lost(&mut self, command: &Arc<StartTask>) -> Result<End, LetGo> {
        let message = "the machine it ran on was started anew, and all its processes are gone".to_owned();
        let outcome = match Sandbox::progress(&self.context, &self.key, command) {
            Ok(progress) => AttemptOutcome {
                ending: Ending::Lost { message },
                ..progress.outcome(self.context.bus.now(), outcome::End::default())
            },
            Err(_) => self.unstarted(Ending::Lost { message }),
        };
        self.store_finished(outcome).await?;
        self.discard().await;
        self.acknowledge().await;
        Ok(End::Over)
    }

    async fn adopt(
        &mut self,
        fence: Fence,
        found: Result<Found, Trouble>,
        command: &Arc<StartTask>,
        claim: u64,
    ) -> Result<End, LetGo> {
        match found {
            Ok(Found::Running(sandbox)) => self.go_on(fence, sandbox, command, claim).await,
            Ok(Found::NotStarted) if self.was_let_go().await? => {
                let message = "its sandbox is gone, and somebody had seen it run".to_owned();
                let ending = Ending::Lost { message };
                self.store_finished(self.unstarted(ending)).await?;
                self.acknowledge().await;
                Ok(End::Over)
            }
            Ok(Found::NotStarted) => self.start_late(fence, command, claim).await,
            Ok(Found::Gone { message, progress }) => {
                let ended = progress.outcome(self.context.bus.now(), outcome::End::default());
                let ending = Ending::Lost { message };
                self.store_finished(AttemptOutcome { ending, ..ended }).await?;
                self.discard().await;
                self.acknowledge().await;
                Ok(End::Over)
            }
            Err(Trouble::Task { reason, message }) => {
                let outcome = self.unstarted(Ending::Failed { reason, message });
                self.store_finished(outcome).await?;
                self.discard().await;
                self.acknowledge().await;
                Ok(End::Over)
            }
            Err(Trouble::Place(message)) => {
                tracing::warn!(attempt = %self.key, message, "An attempt could not be adopted; it is tried again.");
                Ok(End::LetGo)
            }
        }
    }

    async fn go_on(
        &mut self,
        fence: Fence,
        mut sandbox: Sandbox,
        command: &Arc<StartTask>,
        claim: u64,
    ) -> Result<End, LetGo> {
        self.slot = Some(self.context.slots.take());
        self.acknowledge().await;
        match fence {
            Fence::Open => {}
            Fence::Cancelled(reason) => sandbox.playing.kill(reason).await,
            Fence::RunOver | Fence::RunGone => sandbox.playing.kill(CancelReason::Cancelled).await,
        }
        let (context, key) = (self.context.clone(), self.key.clone());
        let stored_before = until_answered(&context.hold, || Logs::stored_of(&context.bus, &key)).await?;
        match self.follow(sandbox, stored_before).await? {
            None => Ok(End::Over),
            Some(trouble) => self.play_out(command, Err(trouble), claim).await,
        }
    }

    /// No step had started: it is started here, once there is room.
    async fn start_late(&mut self, fence: Fence, command: &Arc<StartTask>, claim: u64) -> Result<End, LetGo> {
        if !self.is_open(fence).await? {
            self.acknowledge().await;
            return Ok(End::Over);
        }
        let slots = self.context.slots.clone();
        tokio::select! {
            slot = slots.acquire() => self.slot = Some(slot),
            () = self.told_to_let_go() => return Err(LetGo),
        }
        // Waiting may have taken long.
        if !self.is_open(self.fence().await?).await? {
            self.acknowledge().await;
            return Ok(End::Over);
        }
        self.taken_up_at = Some(self.context.bus.now());
        let sandbox = self.make(command).await;
        self.play_out(command, sandbox, claim).await
    }

    /// The command; `None` if it was purged with its run, or is not stored.
    async fn command(&self, known: Option<Command>, claim: &Claim) -> Result<Option<Command>, LetGo> {
        if known.is_some() {
            return Ok(known);
        }
        let (bus, hold) = (&self.context.bus, &self.context.hold);
        let stored = match claim.command_subject.as_str() {
            "" => until_answered(hold, || bus.get(stream::RUNS, claim.command_sequence)).await?,
            subject => until_answered(hold, || bus.last(stream::RUNS, subject)).await?,
        };
        let Some(stored) = stored else {
            return Ok(None);
        };
        let payload = until_answered(hold, || payload(bus, &stored)).await?;
        match payload.map(|payload| decode::<StartTask>(&stored.subject, &payload)) {
            Some(Ok(command)) => Ok(Some(Command {
                task: Arc::new(command),
                sequence: stored.sequence,
            })),
            Some(Err(error)) => {
                // Of a later version, most likely: a later runner will read it.
                tracing::warn!(attempt = %self.key, error = %Chain(&error), "A command cannot be read.");
                Err(LetGo)
            }
            None => Ok(None),
        }
    }

    /// Whether the command of an attempt that has none may still be on its way.
    async fn may_be_stored_yet(&self, claim: &Claim) -> Result<bool, LetGo> {
        let is_early = !claim.command_subject.is_empty();
        Ok(is_early && !matches!(self.fence().await?, Fence::RunGone | Fence::RunOver))
    }

    /// Whether an owner before had let the attempt go, where its place cannot tell: then a step may have
    /// run (R4).
    async fn was_let_go(&self) -> Result<bool, LetGo> {
        if self.context.backend.remembers_starts() {
            return Ok(false);
        }
        let subject = subject::attempt_fact(&self.key, "started");
        let bus = &self.context.bus;
        let last = until_answered(&self.context.hold, || bus.last(stream::FACTS, &subject)).await?;
        Ok(last.is_some())
    }

    async fn is_finished(&self) -> Result<bool, LetGo> {
        let subject = subject::attempt_fact(&self.key, "finished");
        let bus = &self.context.bus;
        let last = until_answered(&self.context.hold, || bus.last(stream::FACTS, &subject)).await?;
        Ok(last.is_some())
    }

    async fn discard(&self) {
        if let Err(error) = self.context.backend.discard(&self.key).await {
            tracing::warn!(attempt = %self.key, error = %Chain(&error), "What an attempt left could not be removed.");
        }
    }

    async fn told_to_let_go(&self) {
        let mut orders = self.orders.clone();
        // An error means that the core is gone.
        drop(orders.wait_for(|orders| orders.let_go).await);
    }
}

/// The payload of a command; `None` if its blob is gone.
pub(crate) async fn payload(
    bus: &tidemill_bus::Bus,
    stored: &Stored,
) -> Result<Option<bytes::Bytes>, tidemill_bus::Error> {
    blob::payload(bus, stored)
        .map_ok(Some)
        .or_else(|error| async move {
            match error {
                blob::Error::Bus { source, .. } => Err(source),
                other => {
                    tracing::warn!(error = %Chain(&other), "The payload of a command cannot be read.");
                    Ok(None)
                }
            }
        })
        .await
}
