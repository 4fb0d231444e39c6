//! One attempt in the hands of this runner, from its claim to the removal of what it left.
//!
//! Each attempt is a task of its own. It ends in one of three ways: it is over; it is let go and runs
//! on for the next owner; or it turned out to be somebody else's.

mod announcing;
mod facts;
mod logs;
mod playing;
mod post;
mod sandbox;
mod start;
mod takeover;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tidemill_bus::{Bus, Delivery};
use tidemill_messages::claim::Claim;
use tidemill_messages::envelope::DISPATCH;
use tidemill_messages::{AttemptKey, AttemptOutcome, CancelReason, Ending, StartTask, subject};
use tokio::sync::watch;

use crate::ahead::Ahead;
use crate::backend::Backend;
use crate::claim::Link;
use crate::identity::Identity;
use crate::lease::Hold;
use crate::peers::{Peers, Standing};
use crate::slots::{Slot, Slots};

pub(crate) use post::Post;
pub(crate) use sandbox::{Sandbox, Trouble};
pub(crate) use takeover::payload;

/// What all attempts of a class share.
pub(crate) struct Context {
    pub(crate) bus: Bus,
    pub(crate) me: Identity,
    pub(crate) hold: Hold,
    pub(crate) slots: Slots,
    pub(crate) peers: watch::Receiver<Peers>,
    pub(crate) pods: tidemill_pod::Options,
    /// Last sequence of stream `runs` before this runner came: tasks up to it may have had a runner.
    pub(crate) before: u64,
    pub(crate) backend: Arc<dyn Backend>,
    /// Sandboxes made before their tasks came.
    pub(crate) ahead: Ahead,
}

impl Context {
    /// The boot that the attempts of this place end with; empty where they outlive it.
    pub(crate) fn boot_id(&self) -> &str {
        match self.backend.ends_with_boot() {
            true => &self.me.boot_id,
            false => "",
        }
    }

    /// Whether no other runner takes tasks of this class.
    pub(crate) fn is_alone(&self) -> bool {
        let peers = self.peers.borrow();
        let shares = |class: &String| class == self.backend.class();
        !peers
            .values()
            .any(|peer| peer.standing != Standing::Dead && peer.lease.classes.iter().any(shares))
    }

    /// Whether sandboxes of `runner` may lie where ours do. One that is not known yet may be anywhere;
    /// the planner has none.
    fn shares_place_with(&self, runner: &str) -> bool {
        if runner == Claim::PLANNER {
            return false;
        }
        let peers = self.peers.borrow();
        peers.get(runner).is_none_or(|peer| peer.lease.place == self.me.place)
    }
}

/// What the core asks of an attempt; newer orders come on top of earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    /// End it.
    pub(crate) cancel: Option<CancelReason>,
    /// Grows with each new connection: a cancel command may have been missed.
    pub(crate) connections: u64,
    /// Let go of it (R3).
    pub(crate) let_go: bool,
}

/// A task as it came from its class's consumer, or as it was announced and decided.
pub(crate) struct Task {
    /// `None`: its message is still to come.
    pub(crate) delivery: Option<Delivery>,
    pub(crate) key: AttemptKey,
    pub(crate) command: Arc<StartTask>,
    pub(crate) class: String,
    pub(crate) priority: u8,
}

impl Task {
    /// How often the attempt was dispatched before.
    pub(crate) fn dispatch(&self) -> u32 {
        let count = self
            .delivery
            .as_ref()
            .and_then(|delivery| delivery.message.header(DISPATCH));
        count.and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    /// Where its command lies in stream `runs`; 0 while it does not.
    pub(crate) fn sequence(&self) -> u64 {
        self.delivery.as_ref().map_or(0, |delivery| delivery.message.sequence)
    }

    /// The subject of its command, if that is not stored yet; else empty.
    fn unstored_subject(&self) -> String {
        match self.delivery {
            Some(_) => String::new(),
            None => subject::task(&self.key, &self.class, self.priority),
        }
    }

    /// Whether the attempt was dispatched again since `claim` was taken.
    fn is_newer_than(&self, claim: &Claim) -> bool {
        match claim.command_sequence {
            // Only a first dispatch is claimed before it is stored.
            0 => self.dispatch() > 0,
            sequence => self.sequence() > sequence,
        }
    }

    pub(crate) async fn ack(self) {
        if let Some(delivery) = self.delivery {
            delivery.ack().await;
        }
    }

    /// Lets it come again.
    pub(crate) async fn retry_after(self, pause: Duration) {
        if let Some(delivery) = self.delivery {
            delivery.retry_after(pause).await;
        }
    }
}

/// How it ended here.
pub(crate) enum End {
    /// Nothing is left to do.
    Over,
    /// It waits for its next owner.
    LetGo,
    /// Somebody else's claim is newer. The task was not acknowledged.
    Held(Link, Box<Task>),
}

/// One attempt.
pub(crate) struct Attempt {
    context: Arc<Context>,
    key: AttemptKey,
    orders: watch::Receiver<Orders>,
    post: Arc<Post>,
    traceparent: String,
    /// How often it was dispatched before.
    dispatch: u32,
    /// When a runner took it up, this one or the owner before: until then it waited in the queue.
    taken_up_at: Option<Timestamp>,
    /// It was begun here, in this life: nobody else can have told its end.
    is_first_hand: bool,
    slot: Option<Slot>,
}

impl Attempt {
    pub(crate) fn new(
        context: Arc<Context>,
        key: AttemptKey,
        orders: watch::Receiver<Orders>,
        post: Arc<Post>,
    ) -> Self {
        Self {
            context,
            key,
            orders,
            post,
            traceparent: String::new(),
            dispatch: 0,
            taken_up_at: None,
            is_first_hand: false,
            slot: None,
        }
    }

    /// Keeps the message it came with until it may be acknowledged, which it may not be yet.
    fn keep(&self, delivery: Option<Delivery>) {
        drop(delivery.and_then(|delivery| self.post.put(delivery)));
    }

    async fn acknowledge(&mut self) {
        if let Some(delivery) = self.post.settle() {
            delivery.ack().await;
        }
    }

    fn claim_is_stored(&self, sequence: u64) {
        tracing::debug!(attempt = %self.key, sequence, "The claim is stored.");
    }

    /// The outcome of an attempt of which nothing was started.
    fn unstarted(&self, ending: Ending) -> AttemptOutcome {
        AttemptOutcome {
            ending,
            pod_name: String::new(),
            started_at: None,
            completed_at: self.context.bus.now(),
            steps: Vec::new(),
            step_times_us: Vec::new(),
            sidecars: Vec::new(),
            results: Vec::new(),
        }
    }

    /// The outcome of an attempt that was cancelled before its start.
    fn cancelled(&self, reason: CancelReason) -> AttemptOutcome {
        self.unstarted(match reason {
            CancelReason::Cancelled => Ending::Cancelled,
            CancelReason::TimedOut => Ending::TimedOut,
        })
    }
}
