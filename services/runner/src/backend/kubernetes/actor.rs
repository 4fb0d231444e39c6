//! Follows one attempt: what its steps report, what its pod shows, what its owner wants.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use tidemill_bus::{Stored, Subscription};
use tidemill_messages::assignment::REPORTS_PER_STEP;
use tidemill_messages::report::{Answer, Report, ReportBody};
use tidemill_messages::{AttemptKey, CancelReason};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::cluster::Cluster;
use super::ending::Account;
use super::reasons::{self, Trouble, Verdict, Wait};
use super::watch::{Followed, Seen};
use crate::backend::Event;
use crate::steps::{Heard, Parts, StepLine};

/// How long the last reports of a pod that has ended may be under way.
const LAST_WORDS: Duration = Duration::from_millis(750);
/// How often a pod that does not get ready, or whose node is silent, is looked at.
const LOOK: Duration = Duration::from_secs(3);

/// What the owner wants; later orders come on top of earlier ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Orders {
    /// Reports up to this one are durable.
    pub(super) stored: u64,
    pub(super) kill: Option<CancelReason>,
    /// Everything is durable: nothing is followed any more.
    pub(super) leave: bool,
}

/// How long the actor is patient.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) unschedulable: Duration,
    pub(super) unready: Duration,
    pub(super) node_lost: Duration,
    pub(super) kill: Duration,
}

/// What an actor is made of.
pub(super) struct Given {
    pub(super) key: AttemptKey,
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) cluster: Cluster,
    pub(super) line: StepLine,
    pub(super) reports: Subscription,
    pub(super) followed: Followed,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) orders: watch::Receiver<Orders>,
    pub(super) account: Account,
    pub(super) gated: bool,
    pub(super) patience: Patience,
}

/// One attempt that is followed.
pub(super) struct Actor {
    given: Given,
    parts: Parts,
    /// By step: where it waits for answers, and its last report passed on.
    senders: BTreeMap<u64, (String, u64)>,
    /// Where the first step waits for its word.
    question: Option<String>,
    open: bool,
    obeyed: Orders,
    /// Since when the pod waits for the same.
    waits: Option<(Wait, Instant)>,
    silent_since: Option<Instant>,
    look_at: Option<Instant>,
    /// When an end that the steps did not tell is told for them.
    end: Option<(Instant, Trouble)>,
    kill_at: Option<Instant>,
    last_pod: Option<Arc<Pod>>,
    finished: bool,
    /// The steps told their end themselves.
    told: bool,
}

impl Actor {
    pub(super) fn new(given: Given) -> Self {
        Self {
            open: !given.gated,
            given,
            parts: Parts::default(),
            senders: BTreeMap::new(),
            question: None,
            obeyed: Orders::default(),
            waits: None,
            silent_since: None,
            look_at: None,
            end: None,
            kill_at: None,
            last_pod: None,
            finished: false,
            told: false,
        }
    }

    /// Until the owner has no more need of it. Whether the steps told their end themselves, asked by nobody.
    pub(super) async fn run(mut self) -> bool {
        self.look().await;
        loop {
            let at = self.due_at();
            tokio::select! {
                message = self.given.reports.next() => match message {
                    Ok(message) => self.hear(&message).await,
                    Err(_) => return false,
                },
                () = self.given.followed.changed() => self.look().await,
                changed = self.given.orders.changed() => {
                    if changed.is_err() || self.obey().await {
                        return self.told && self.obeyed.kill.is_none();
                    }
                }
                () = sleep_until(at.unwrap_or_else(Instant::now)), if at.is_some() => self.keep_time().await,
            }
        }
    }

    fn due_at(&self) -> Option<Instant> {
        let end = self.end.as_ref().map(|(at, _)| *at);
        [end, self.kill_at, self.look_at].into_iter().flatten().min()
    }

    // === what the steps say

    async fn hear(&mut self, message: &Stored) {
        match self.parts.take(&self.given.key, message) {
            Heard::Question => {
                self.question.clone_from(&message.reply);
                self.answer_question().await;
            }
            Heard::Again(position) => {
                let stored = self.obeyed.stored.min(self.last_of(position));
                self.answer(message, Answer::Stored { sequence: stored }).await;
                self.remember(message, position, 0);
            }
            Heard::Reports(position, reports) => {
                let last = reports.last().map_or(0, |report| report.sequence);
                self.remember(message, position, last);
                for report in reports {
                    self.pass_on(report).await;
                }
            }
            Heard::Nothing => return,
        }
        if let Some(reason) = self.obeyed.kill {
            self.answer(message, Answer::Kill { reason }).await;
        }
    }

    async fn answer(&mut self, message: &Stored, answer: Answer) {
        self.given.line.answer(&self.given.key, message, answer).await;
    }

    fn last_of(&self, position: u64) -> u64 {
        self.senders.get(&position).map_or(0, |(_, last)| *last)
    }

    fn remember(&mut self, message: &Stored, position: u64, last: u64) {
        if let Some(reply) = &message.reply {
            let last = last.max(self.last_of(position));
            self.senders.insert(position, (reply.clone(), last));
        }
    }

    async fn pass_on(&mut self, report: Report) {
        if self.finished {
            return;
        }
        self.given.account.take(&report);
        let event = match report.body {
            ReportBody::Finished { .. } => {
                let disturbance = self.disturbance(&report).await;
                self.finished = true;
                self.told = disturbance.is_none();
                let outcome = self
                    .given
                    .account
                    .finished(report, self.last_pod.as_deref(), disturbance);
                Event::Finished(Box::new(outcome))
            }
            _ => Event::Report(report),
        };
        self.send(event).await;
    }

    /// An owner that is gone wants nothing any more: its end of the orders is closed too.
    async fn send(&mut self, event: Event) {
        drop(self.given.events.send(event).await);
    }

    /// Why a step was asked to end, if it was and not by us. The cluster says so a moment later or before.
    async fn disturbance(&mut self, report: &Report) -> Option<Trouble> {
        if self.obeyed.kill.is_some() || !Account::was_asked_to_end(report) {
            return None;
        }
        let until = Instant::now() + LAST_WORDS;
        loop {
            if let Seen::There(pod) = self.given.followed.seen() {
                self.last_pod = Some(pod);
            }
            let verdict = self.last_pod.as_deref().map(reasons::judge);
            if let Some(Verdict::Ended(trouble)) = verdict.filter(is_eviction) {
                return Some(trouble);
            }
            tokio::select! {
                () = self.given.followed.changed() => {}
                () = sleep_until(until) => return None,
            }
        }
    }

    // === what the pod shows

    async fn look(&mut self) {
        match self.given.followed.seen() {
            Seen::Unknown => {}
            Seen::There(pod) => {
                self.last_pod = Some(pod.clone());
                self.given.account.see(&pod);
                if !self.open && reasons::sidecars_are_ready(&pod) {
                    self.open = true;
                    self.answer_question().await;
                }
                if !self.finished {
                    self.weigh(&pod);
                }
            }
            Seen::Gone if !self.finished && self.end.is_none() => {
                let name = &self.given.pod;
                let trouble = self
                    .last_pod
                    .as_deref()
                    .map(reasons::judge)
                    .and_then(|verdict| match verdict {
                        Verdict::Ended(trouble) if is_eviction(&Verdict::Ended(trouble.clone())) => Some(trouble),
                        _ => None,
                    });
                let gone = || Trouble {
                    reason: GONE.to_owned(),
                    message: format!("pod {name} was deleted while it ran"),
                };
                self.end = Some((Instant::now() + LAST_WORDS, trouble.unwrap_or_else(gone)));
            }
            Seen::Gone => {}
        }
    }

    fn weigh(&mut self, pod: &Pod) {
        let now = Instant::now();
        let patience = self.given.patience;
        let verdict = reasons::judge(pod);
        let is_scheduled = !matches!(verdict, Verdict::Waiting(Wait::Node, _));
        // A node was found in time.
        self.end
            .take_if(|(_, trouble)| is_scheduled && trouble.reason == NODE_RESOURCES);
        match verdict {
            Verdict::Well => self.waits = None,
            Verdict::Failed(trouble) => self.end = Some((now, trouble)),
            Verdict::Ended(trouble) => {
                if self.end.is_none() {
                    self.end = Some((now + LAST_WORDS, trouble));
                }
                return;
            }
            Verdict::Waiting(wait, trouble) => {
                let since = match self.waits {
                    Some((same, since)) if same == wait => since,
                    _ => now,
                };
                self.waits = Some((wait, since));
                match wait {
                    Wait::Node => self.end = Some((since + patience.unschedulable, trouble)),
                    Wait::Parts => self.look_at = Some(self.look_at.unwrap_or(since + patience.unready)),
                }
                return;
            }
        }
        match reasons::silent_node(pod) {
            Some(_) => {
                self.silent_since.get_or_insert(now);
                self.look_at = Some(self.look_at.unwrap_or(now));
            }
            None => self.silent_since = None,
        }
    }

    // === what is due

    async fn keep_time(&mut self) {
        let now = Instant::now();
        if self.look_at.is_some_and(|at| at <= now) {
            self.look_at = None;
            self.look_closer(now).await;
        }
        if let Some((_, trouble)) = self.end.take_if(|(at, _)| *at <= now) {
            self.tell_end(trouble).await;
        }
        if self.kill_at.take_if(|at| *at <= now).is_some() {
            self.kill_pod().await;
        }
    }

    /// Asks the cluster about a pod that does not get ready, or whose node is silent.
    async fn look_closer(&mut self, now: Instant) {
        if self.finished {
            return;
        }
        if let Some((Wait::Parts, _)) = self.waits {
            self.look_at = Some(now + LOOK);
            let warned = self
                .given
                .cluster
                .warnings(&self.given.namespace, &self.given.pod)
                .await;
            if let Some(warning) = warned.ok().and_then(|all| all.into_iter().next()) {
                let message = format!("pod {} does not start: {warning}", self.given.pod);
                let reason = "PodCreationFailed".to_owned();
                self.end = Some((now, Trouble { reason, message }));
            }
        }
        let Some(since) = self.silent_since else { return };
        self.look_at = Some(now + LOOK);
        let node = self.last_pod.as_deref().and_then(reasons::silent_node);
        let Some(node) = node.map(str::to_owned) else { return };
        if let Ok(Some(message)) = self.given.cluster.lost_node(&node).await
            && since + self.given.patience.node_lost <= now
        {
            let reason = "PodEvicted".to_owned();
            self.end = Some((now, Trouble { reason, message }));
        }
    }

    /// Tells an end that the steps will not tell any more.
    async fn tell_end(&mut self, trouble: Trouble) {
        if self.finished {
            return;
        }
        self.finished = true;
        let pod = self.last_pod.clone();
        if let Some(reason) = self.obeyed.kill {
            let outcome = self.given.account.killed(reason, pod.as_deref());
            return self.send(Event::Finished(Box::new(outcome))).await;
        }
        let step_started = self.given.account.has_step_started();
        let evicted = is_eviction(&Verdict::Ended(trouble.clone()));
        let event = if trouble.reason == GONE || (evicted && !step_started) {
            Event::Gone {
                step_started,
                message: trouble.message,
            }
        } else {
            Event::Finished(Box::new(self.given.account.failed(&trouble, pod.as_deref())))
        };
        self.send(event).await;
    }

    /// The steps did not end by themselves after a kill: no container ran yet, or none listens.
    async fn kill_pod(&mut self) {
        if self.finished {
            return;
        }
        let (namespace, pod) = (&self.given.namespace, &self.given.pod);
        if let Err(error) = self.given.cluster.remove_pod(namespace, pod, 0).await {
            tracing::warn!(pod, error = %tidemill_telemetry::Chain(&error), "A pod could not be deleted; it is tried again.");
            self.kill_at = Some(Instant::now() + LOOK);
            return;
        }
        let reason = self.obeyed.kill.unwrap_or(CancelReason::Cancelled);
        self.finished = true;
        let outcome = self.given.account.killed(reason, self.last_pod.as_deref());
        self.send(Event::Finished(Box::new(outcome))).await;
    }

    // === what the owner wants

    /// Whether it wants nothing more.
    async fn obey(&mut self) -> bool {
        let orders = *self.given.orders.borrow_and_update();
        if orders.leave {
            for (reply, last) in self.senders.values() {
                let answer = Answer::Stored { sequence: *last };
                self.given.line.reply(&self.given.key, reply, answer).await;
            }
            return true;
        }
        if orders.stored > self.obeyed.stored {
            self.tell_stored(self.obeyed.stored, orders.stored).await;
        }
        if let (Some(reason), None) = (orders.kill, self.obeyed.kill) {
            self.given.line.tell(&self.given.key, Answer::Kill { reason }).await;
            self.kill_at = Some(Instant::now() + self.given.patience.kill);
        }
        self.obeyed = orders;
        self.answer_question().await;
        false
    }

    /// Answers each sender about those of its reports that have become durable.
    async fn tell_stored(&mut self, before: u64, stored: u64) {
        for (position, (reply, last)) in &self.senders {
            let first = position * REPORTS_PER_STEP;
            let sequence = stored.min(*last);
            if sequence > first.max(before.min(*last)) {
                let answer = Answer::Stored { sequence };
                self.given.line.reply(&self.given.key, reply, answer).await;
            }
        }
    }

    async fn answer_question(&mut self) {
        let answer = match self.obeyed.kill {
            Some(reason) => Answer::Kill { reason },
            None if self.open => Answer::Start,
            None => return,
        };
        if let Some(reply) = self.question.take() {
            self.given.line.reply(&self.given.key, &reply, answer).await;
        }
    }
}

/// The pod is gone and nobody said why.
const GONE: &str = "PodGone";
const NODE_RESOURCES: &str = "ExceededNodeResources";

fn is_eviction(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Ended(trouble) if trouble.reason == "PodEvicted")
}
