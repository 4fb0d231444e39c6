//! From the task to the first step: claim, fence and sandbox at the same time.

use std::sync::Arc;
use std::time::Duration;

use tidemill_messages::{StartTask, stream, subject};
use tidemill_telemetry::fail_point;

use super::sandbox::{Sandbox, Trouble};
use super::{Attempt, End, Task};
use crate::claim::{self, Link, Outcome, Wanted};
use crate::fence::{self, Fence};
use crate::retry::{LetGo, until_answered};
use crate::slots::Slot;

/// Younger tasks have most likely not been delivered before.
const FRESH: Duration = Duration::from_secs(2);

/// What came of the try to own a delivered task.
enum Claimed {
    /// It may start.
    Ours {
        claim: u64,
        sandbox: Result<Sandbox, Trouble>,
    },
    /// Ours, but it must not start; all is said.
    Refused,
    /// Somebody else's claim is newer.
    Held(Link),
}

impl Attempt {
    /// Plays a task that was delivered.
    pub(crate) async fn begin(mut self, mut task: Task, slot: Slot) -> End {
        fail_point("runner.task-received");
        self.traceparent = task.command.traceparent.clone().unwrap_or_default();
        self.dispatch = task.dispatch();
        self.slot = Some(slot);
        self.taken_up_at = Some(self.context.bus.now());
        let claimed = self.claim_and_prepare(&task).await;
        self.keep(task.delivery.take());
        match claimed {
            Ok(Claimed::Ours { claim, sandbox }) => {
                self.is_first_hand = true;
                match self.play_out(&task.command, sandbox, claim).await {
                    Ok(end) => end,
                    Err(LetGo) => self.let_go().await,
                }
            }
            Ok(Claimed::Refused) => {
                self.acknowledge().await;
                End::Over
            }
            Ok(Claimed::Held(link)) => match self.post.take() {
                // It is judged when its message comes.
                None => End::Over,
                delivery => End::Held(link, Box::new(Task { delivery, ..task })),
            },
            Err(LetGo) => self.let_go().await,
        }
    }

    /// Its message comes again; if our claim is stored by then, it leads to the adoption.
    async fn let_go(&self) -> End {
        if let Some(delivery) = self.post.take() {
            delivery.retry_after(Duration::ZERO).await;
        }
        End::LetGo
    }

    async fn claim_and_prepare(&mut self, task: &Task) -> Result<Claimed, LetGo> {
        let context = self.context.clone();
        let mut made = context.ahead.take(&self.key, &task.command);
        if made.claim.is_none()
            && self.may_be_taken(task)
            && let Some(link) = until_answered(&context.hold, || claim::read(&context.bus, &self.key)).await?
        {
            self.drop_sandbox(made.sandbox().await).await;
            return Ok(Claimed::Held(link));
        }
        let wanted = Wanted {
            key: &self.key,
            class: &task.class,
            command_sequence: task.sequence(),
            command_subject: &task.unstored_subject(),
            expected: 0,
            boot_id: context.boot_id(),
            traceparent: &self.traceparent,
        };
        let early = made.claim.take();
        let claimed = async {
            match early {
                Some(sent) => sent.outcome().await,
                None => claim::take(&context.bus, &context.hold, &context.me, wanted).await,
            }
        };
        let prepared = async {
            match made.sandbox().await {
                Some(sandbox) => Ok(sandbox),
                None => self.make(&task.command).await,
            }
        };
        // The claim is sent first: on one connection the server has it before it answers the fence.
        let (claimed, fence, sandbox) =
            futures::join!(claimed, fence::read(&context.bus, &context.hold, &self.key), prepared,);
        match self.pass(claimed, fence).await {
            Ok(Passed::Open { claim }) => Ok(Claimed::Ours { claim, sandbox }),
            Ok(Passed::Shut) => {
                self.drop_sandbox(sandbox.ok()).await;
                Ok(Claimed::Refused)
            }
            Ok(Passed::Held(link)) => {
                // The owner may have found ours and made its own in its place by now.
                if self.context.shares_place_with(&link.claim.runner) {
                    leave_sandbox(sandbox).await;
                } else {
                    self.drop_sandbox(sandbox.ok()).await;
                }
                Ok(Claimed::Held(link))
            }
            Err(LetGo) => {
                self.drop_sandbox(sandbox.ok()).await;
                Err(LetGo)
            }
        }
    }

    /// Whether somebody may have had this task before, with a sandbox that must not be touched: it
    /// was delivered before, is older than this runner, or not new (a consumer that starts anew forgets
    /// what it delivered).
    fn may_be_taken(&self, task: &Task) -> bool {
        let Some(delivery) = &task.delivery else {
            return false;
        };
        let message = &delivery.message;
        let age = self.context.bus.now().duration_since(message.time);
        delivery.delivered > 1 || message.sequence <= self.context.before || age.unsigned_abs() > FRESH
    }

    /// Whether the attempt may start, by the answers to claim and fence.
    async fn pass(&self, claimed: Result<Outcome, LetGo>, fence: Result<Fence, LetGo>) -> Result<Passed, LetGo> {
        let (claim, at_once) = match claimed? {
            Outcome::Mine { sequence, at_once } => (sequence, at_once),
            Outcome::Held(link) => return Ok(Passed::Held(link)),
        };
        fail_point("runner.claim-stored");
        self.claim_is_stored(claim);
        let fence = if at_once { fence? } else { self.fence().await? };
        if self.is_open(fence).await? {
            fail_point("runner.prepared");
            return Ok(Passed::Open { claim });
        }
        Ok(Passed::Shut)
    }

    pub(super) async fn fence(&self) -> Result<Fence, LetGo> {
        fence::read(&self.context.bus, &self.context.hold, &self.key).await
    }

    /// Whether an attempt whose claim is ours may start; says how it ended if it was cancelled.
    pub(super) async fn is_open(&self, fence: Fence) -> Result<bool, LetGo> {
        let ordered = self.orders.borrow().cancel;
        match (fence, ordered) {
            (Fence::Open, None) => return Ok(true),
            (Fence::Cancelled(reason), _) | (Fence::Open, Some(reason)) => {
                self.store_finished(self.cancelled(reason)).await?;
            }
            // Our claim came after the run's were purged: it would lie there for ever.
            (Fence::RunGone, _) => {
                let subject = subject::claim(&self.key);
                let bus = &self.context.bus;
                until_answered(&self.context.hold, || bus.purge(stream::CLAIMS, &subject, None)).await?;
            }
            (Fence::RunOver, _) => {}
        }
        Ok(false)
    }

    pub(super) async fn make(&self, command: &Arc<StartTask>) -> Result<Sandbox, Trouble> {
        Sandbox::prepare(&self.context, &self.key, command).await
    }

    async fn drop_sandbox(&self, sandbox: Option<Sandbox>) {
        if let Some(sandbox) = sandbox {
            sandbox.remove(&self.key).await;
        }
    }
}

/// Leaves it to the attempt's owner, who discards what it does not know.
async fn leave_sandbox(sandbox: Result<Sandbox, Trouble>) {
    if let Ok(sandbox) = sandbox {
        sandbox.playing.release().await;
    }
}

enum Passed {
    Open { claim: u64 },
    Shut,
    Held(Link),
}
