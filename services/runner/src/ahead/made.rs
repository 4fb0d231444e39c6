//! What is made for one attempt before its task comes.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tidemill_messages::{AttemptKey, StartTask, stream, subject};
use tidemill_telemetry::{Chain, fail_point};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::attempt::{Context, Sandbox, Trouble};
use crate::claim::{self, Outcome, Wanted};
use crate::retry::LetGo;

/// A claim that was sent; it gives what became of it.
pub(crate) struct EarlyClaim(JoinHandle<Result<Outcome, LetGo>>);

impl EarlyClaim {
    /// Waits for the answer.
    pub(crate) async fn outcome(self) -> Result<Outcome, LetGo> {
        // A task that was aborted: the runner ends.
        self.0.await.unwrap_or(Err(LetGo))
    }
}

/// What was made for an attempt; nothing by default.
#[derive(Default)]
pub(crate) struct Made {
    sandbox: Option<BoxFuture<'static, Option<Sandbox>>>,
    pub(crate) claim: Option<EarlyClaim>,
}

impl Made {
    /// Its sandbox, once it is made. One that failed counts for nothing: what it needs may not have been
    /// there yet.
    pub(crate) async fn sandbox(&mut self) -> Option<Sandbox> {
        self.sandbox.take()?.await
    }
}

/// An attempt that waits for its task.
pub(super) struct Entry {
    pub(super) command: Arc<StartTask>,
    /// The subject of its command; empty if it was not claimed.
    pub(super) subject: String,
    pub(super) end_at: Instant,
    /// The decision that will start it.
    decision: Option<String>,
    sandbox: JoinHandle<Result<Sandbox, Trouble>>,
    claim: Option<EarlyClaim>,
}

impl Entry {
    /// Begins with both. `names`: the decision and the subject of the command, if it may be claimed. Its
    /// claim is sent when this returns: what is read after it is newer.
    pub(super) fn begin(
        context: &Arc<Context>,
        command: Arc<StartTask>,
        names: Option<(&str, &str)>,
        end_at: Instant,
    ) -> Self {
        let claim = names.map(|(_, subject)| claim(context.clone(), command.clone(), subject.to_owned()));
        let (own, wanted) = (context.clone(), command.clone());
        let sandbox = tokio::spawn(async move { Sandbox::prepare(&own, &wanted.key(), &wanted).await });
        Self {
            command,
            subject: names.map(|(_, subject)| subject.to_owned()).unwrap_or_default(),
            end_at,
            decision: names.map(|(decision, _)| decision.to_owned()),
            sandbox,
            claim,
        }
    }

    pub(super) fn is_of(&self, decision: &str) -> bool {
        self.decision.as_deref() == Some(decision)
    }

    /// What of it serves a task with this command: a sandbox made for another is removed.
    pub(super) fn made(self, key: &AttemptKey, command: &Arc<StartTask>) -> Made {
        let fits = *self.command == **command;
        let key = key.clone();
        let sandbox = async move {
            let sandbox = self.sandbox.await.ok()?.ok()?;
            if fits {
                return Some(sandbox);
            }
            sandbox.remove(&key).await;
            None
        };
        Made {
            sandbox: Some(sandbox.boxed()),
            claim: self.claim,
        }
    }

    pub(super) async fn remove_sandbox(self, key: &AttemptKey) {
        if let Ok(Ok(sandbox)) = self.sandbox.await {
            sandbox.remove(key).await;
        }
    }

    /// Removes all of it: its task did not come. A claim that cannot be removed is as one of a runner that
    /// died: whoever gets the task replaces it, and it goes with its run.
    pub(super) async fn withdraw(mut self, context: &Context, key: &AttemptKey) {
        let claim = self.claim.take();
        self.remove_sandbox(key).await;
        let Some(claim) = claim else { return };
        if let Ok(Outcome::Mine { sequence, .. }) = claim.outcome().await {
            let subject = subject::claim(key);
            let purged = context.bus.purge(stream::CLAIMS, &subject, Some(sequence + 1)).await;
            if let Err(error) = purged {
                tracing::warn!(attempt = %key, error = %Chain(&error), "A claim made ahead could not be withdrawn.");
            }
        }
    }
}

/// Sends the claim, and waits for its answer in a task.
fn claim(context: Arc<Context>, command: Arc<StartTask>, subject: String) -> EarlyClaim {
    let mut claimed = Box::pin(async move {
        let key = command.key();
        let wanted = Wanted {
            key: &key,
            class: context.backend.class(),
            command_sequence: 0,
            command_subject: &subject,
            expected: 0,
            boot_id: context.boot_id(),
            traceparent: command.traceparent.as_deref().unwrap_or_default(),
        };
        let outcome = claim::take(&context.bus, &context.hold, &context.me, wanted).await;
        fail_point("runner.claimed-ahead");
        outcome
    });
    // The first poll sends it.
    let answered = claimed.as_mut().now_or_never();
    EarlyClaim(tokio::spawn(async move {
        match answered {
            Some(outcome) => outcome,
            None => claimed.await,
        }
    }))
}
