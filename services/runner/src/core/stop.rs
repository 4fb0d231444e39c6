//! Letting go: for a while when the lease is lost (R3), for good when the runner stops.

use std::time::Duration;

use tidemill_telemetry::Chain;
use tokio::time::{Instant, timeout};

use super::Core;
use super::setup::Assembled;
use crate::peers::Standing;

impl Core {
    /// The lease could not be renewed: nothing is started or reported any more.
    pub(super) async fn lost(&mut self) {
        tracing::warn!(
            attempts = self.attempts.len(),
            "The lease is lost; all attempts are let go and run on."
        );
        self.lost_since = Some(Instant::now());
        self.table.let_go();
        self.waiting.give_back().await;
    }

    /// It is renewed: what was let go is taken up again, unless somebody else did.
    pub(super) fn regained(&mut self) {
        tracing::info!("The lease is renewed.");
        self.lost_since = None;
        self.let_go.clear();
        self.sweep();
    }

    /// When to end what was let go: shortly before planners give it up.
    pub(super) fn end_let_go_at(&self) -> Option<Instant> {
        let since = self.lost_since.filter(|_| !self.let_go.is_empty())?;
        Some(since + self.settings.lost_after.duration() * 9 / 10)
    }

    /// Ends what was let go and nobody else can adopt: a planner may start another attempt soon.
    pub(super) async fn end_let_go(&mut self) {
        let has_heir = self
            .peers
            .borrow()
            .values()
            .any(|peer| peer.standing != Standing::Dead && peer.lease.place == self.me.place);
        for (key, class) in std::mem::take(&mut self.let_go) {
            let context = self.contexts.get(&class).filter(|_| !has_heir);
            let Some(context) = context else { continue };
            tracing::warn!(attempt = %key, "Cut off for too long: the attempt is ended.");
            if let Err(error) = context.backend.discard(&key).await {
                tracing::warn!(attempt = %key, error = %Chain(&error), "An attempt could not be ended.");
            }
        }
    }

    /// Lets go of everything, within `grace`.
    async fn release_all(&mut self, grace: Duration) {
        self.room.send_replace(0);
        self.waiting.give_back().await;
        self.unsettled.clear();
        self.batches.close();
        while let Some(batch) = self.batches.recv().await {
            for task in batch.tasks {
                task.retry_after(Duration::ZERO).await;
            }
        }
        self.table.let_go();
        let released = async { while self.attempts.join_next().await.is_some() {} };
        if timeout(grace, released).await.is_err() {
            tracing::warn!(
                attempts = self.attempts.len(),
                "Not all attempts could be let go in time; they are left as they are."
            );
            // As a death would: once it is known that this runner leaves they have other owners, whose
            // sandboxes must not be touched and whose ends not be told by what is still under way here.
            self.attempts.shutdown().await;
        }
    }
}

impl Assembled {
    /// Attempts first, then the lease: who reads that this runner leaves finds nothing in its hands.
    pub(super) async fn stop(mut self) {
        let grace = self.core.settings.stop_grace.duration();
        self.core.release_all(grace).await;
        for context in self.core.contexts.values() {
            context.backend.close().await;
        }
        self.leaving.cancel();
        let left = async { while self.keeping.join_next().await.is_some() {} };
        if timeout(grace, left).await.is_err() {
            tracing::warn!("The other runners could not be told that this one leaves; they will see it in 10 s.");
        }
    }
}
