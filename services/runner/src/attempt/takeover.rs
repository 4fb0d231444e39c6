//! Taking over an attempt whose owner is gone (R2, R5): the next claim of the chain, then adoption.

use std::sync::Arc;
use std::time::Duration;

use futures::TryFutureExt;
use tidemill_bus::{Stored, blob};
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
        let is_dispatched_again = link.claim.command_sequence < task.delivery.message.sequence;
        match (returned, finished) {
            (Ok(_), Ok(true)) => task.delivery.ack().await,
            (Ok(Some(_)), Ok(false)) if is_dispatched_again => return self.take_over(link, Some(task)).await,
            (Ok(_), Ok(false)) => task.delivery.retry_after(ASK_AGAIN).await,
            (Err(LetGo), _) | (_, Err(LetGo)) => return End::LetGo,
        }
        End::Over
    }

    /// Takes the attempt over from the owner of `link`. `task` is there when it was delivered (again);
    /// else its command is read from where the claim says.
    pub(crate) async fn take_over(mut self, link: Link, task: Option<Task>) -> End {
        self.context.ahead.forget(&self.key).await;
        let sequence = task
            .as_ref()
            .map_or(link.claim.command_sequence, |task| task.delivery.message.sequence);
        self.dispatch = task.as_ref().map_or(0, Task::dispatch);
        let delivered = task.map(|task| (task.command, task.delivery));
        let known = delivered.map(|(command, delivery)| {
            self.delivery = Some(delivery);
            command
        });
        self.succeed(link, known, sequence).await.unwrap_or(End::LetGo)
    }

    async fn succeed(&mut self, link: Link, known: Option<Arc<StartTask>>, sequence: u64) -> Result<End, LetGo> {
        let (command, is_finished) = futures::join!(self.command(known, sequence), self.is_finished());
        let Some(command) = command?.filter(|_| matches!(is_finished, Ok(false))) else {
            is_finished?;
            // Over, or purged with its run: what is left of it is of no use.
            self.discard().await;
            self.acknowledge().await;
            return Ok(End::Over);
        };
        self.traceparent = command.traceparent.clone().unwrap_or_default();
        let context = self.context.clone();
        // Whoever replaces a claim answers for the boot it was made in, unless the attempt was dispatched
        // again since: then nothing had started.
        let boot_id = match sequence > link.claim.command_sequence || link.claim.boot_id.is_empty() {
            true => context.boot_id(),
            false => &link.claim.boot_id,
        };
        let wanted = Wanted {
            key: &self.key,
            class: &link.claim.class,
            command_sequence: sequence,
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
        let sandbox = self.prepare(command).await;
        self.play_out(command, sandbox, claim).await
    }

    /// The command; `None` if it was purged with its run.
    async fn command(&self, known: Option<Arc<StartTask>>, sequence: u64) -> Result<Option<Arc<StartTask>>, LetGo> {
        if known.is_some() {
            return Ok(known);
        }
        let (bus, hold) = (&self.context.bus, &self.context.hold);
        let Some(stored) = until_answered(hold, || bus.get(stream::RUNS, sequence)).await? else {
            return Ok(None);
        };
        let payload = until_answered(hold, || payload(bus, &stored)).await?;
        match payload.map(|payload| decode::<StartTask>(&stored.subject, &payload)) {
            Some(Ok(command)) => Ok(Some(Arc::new(command))),
            Some(Err(error)) => {
                // Of a later version, most likely: a later runner will read it.
                tracing::warn!(attempt = %self.key, error = %Chain(&error), "A command cannot be read.");
                Err(LetGo)
            }
            None => Ok(None),
        }
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
