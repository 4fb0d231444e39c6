//! Performing effects: what must be confirmed before the run's next decision.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::future::{join_all, try_join_all};
use jiff::Timestamp;
use tidemill_bus::Message;
use tidemill_messages::envelope::{DECISION_ID, DISPATCH, TASK, TRACEPARENT, VERSION};
use tidemill_messages::stream::RUNS;
use tidemill_messages::{Fact, FactBody, encode, subject};

use crate::Error;
use crate::outbox::{Outbox, Start};
use crate::planner::Planner;
use crate::retry::{self, until_done};

/// Starts of one decision that are announced: more than a few are not begun at once.
const HINTS_MAX: usize = 4;
/// Larger commands are not sent twice.
const HINT_BYTES_MAX: usize = 32 * 1024;

impl Planner {
    /// Publishes what the runners and the timer need. Everything may be there already: what is done
    /// twice is done once.
    pub(crate) async fn perform(&self, run_uid: &str, outbox: &Outbox) -> Result<(), Error> {
        for claim in &outbox.create_volumes {
            self.create_volume(run_uid, claim, &outbox.traceparent).await?;
        }
        self.publish_starts(&outbox.starts).await?;
        let cancels = outbox
            .cancels
            .iter()
            .map(|(key, reason)| self.cancel(key, *reason, &outbox.traceparent));
        let deploys = outbox.deploys.iter().map(|message| self.publish_once(message));
        let (cancelled, woken, told) = futures::join!(
            try_join_all(cancels),
            self.wake(run_uid, outbox.wake),
            try_join_all(deploys)
        );
        cancelled?;
        told?;
        woken
    }

    /// Stores a fact of the planner's own, once under its subject.
    pub(crate) async fn store_fact(&self, subject: String, body: FactBody, traceparent: &str) -> Result<(), Error> {
        let fact = Fact {
            version: VERSION,
            at: self.bus.now(),
            body,
        };
        let message = Message::new(subject.clone(), encode(&subject, &fact)?);
        self.publish_once(&message.header(TRACEPARENT, traceparent)).await
    }

    /// Publishes what has a subject of its own: what is there already is this message.
    pub(crate) async fn publish_once(&self, message: &Message) -> Result<(), Error> {
        let message = self.attach(message.clone().expecting(0)).await?;
        retry::publish(&self.bus, message, &self.stopping).await.map(drop)
    }

    /// Tells runners what is about to be started, so that they can claim it and build its sandbox
    /// meanwhile. Nothing depends on it: it may be lost, and the decision may yet not be stored. What needs
    /// volumes that are still to be made is not announced.
    pub(crate) async fn announce(&self, outbox: &Outbox, decision: &str) {
        for start in announced(outbox) {
            let payload = start.message.payload.clone();
            let mut hint = Message::new(subject::hint(&start.class), payload);
            if start.dispatch == 0 {
                hint = hint.header(DECISION_ID, decision).header(TASK, &start.message.subject);
            }
            drop(self.bus.notify(hint).await);
        }
    }

    /// Tells runners that the decision whose starts were announced is stored: what they have claimed and
    /// prepared may start before its command is stored, which happens now. Nothing depends on it either.
    pub(crate) async fn say_go(&self, outbox: &Outbox, decision: &str) {
        let classes: BTreeSet<&str> = announced(outbox).map(|start| start.class.as_str()).collect();
        for class in classes {
            let go = Message::new(subject::go(class), Bytes::new()).header(DECISION_ID, decision);
            drop(self.bus.notify(go).await);
        }
    }

    async fn publish_starts(&self, starts: &[Start]) -> Result<(), Error> {
        // The first poll of each sends it: all are under way before the first is waited for.
        let published = starts.iter().map(|start| self.publish_start(start));
        join_all(published).await.into_iter().collect()
    }

    pub(crate) async fn publish_start(&self, start: &Start) -> Result<(), Error> {
        if start.dispatch == 0 {
            return self.publish_once(&start.message).await;
        }
        loop {
            let subject = &start.message.subject;
            let last = until_done(&self.stopping, || async { Ok(self.bus.last(RUNS, subject).await?) }).await?;
            let (sequence, dispatch) = last.as_ref().map_or((0, None), |last| {
                let dispatch = last.header(DISPATCH).and_then(|count| count.parse().ok());
                (last.sequence, Some(dispatch.unwrap_or(0)))
            });
            if dispatch.is_some_and(|dispatch: u32| dispatch >= start.dispatch) {
                return Ok(());
            }
            let message = self.attach(start.message.clone().expecting(sequence)).await?;
            if retry::publish(&self.bus, message, &self.stopping).await? {
                return Ok(());
            }
        }
    }

    /// Moves a payload that is too large for a message into a blob.
    pub(crate) async fn attach(&self, message: Message) -> Result<Message, Error> {
        if message.payload.len() <= tidemill_bus::blob::CHUNK_BYTES {
            return Ok(message);
        }
        until_done(&self.stopping, || async {
            Ok(tidemill_bus::blob::attach(&self.bus, message.clone()).await?)
        })
        .await
    }

    async fn wake(&self, run_uid: &str, at: Option<Timestamp>) -> Result<(), Error> {
        let Some(at) = at else { return Ok(()) };
        let (timer, due) = (subject::timer(run_uid), subject::due(run_uid));
        until_done(&self.stopping, || async {
            // One schedule a subject: set twice, it fires once.
            self.bus.schedule(&timer, &due, at, Bytes::new()).await?;
            Ok(())
        })
        .await
    }
}

/// The starts that runners are told of beforehand.
fn announced(outbox: &Outbox) -> impl Iterator<Item = &Start> {
    let starts = outbox.starts.iter().filter(|_| outbox.create_volumes.is_empty());
    starts
        .take(HINTS_MAX)
        .filter(|start| start.message.payload.len() <= HINT_BYTES_MAX)
}
