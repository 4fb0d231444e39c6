//! Who owns what: attempts that ended here, belong to others, or have no owner any more.

use std::collections::HashSet;

use tidemill_messages::AttemptKey;
use tidemill_messages::claim::Claim;
use tokio::task::JoinError;
use tokio::time::Instant;

use super::{Core, SWEEP, SWEEP_SOON};
use crate::attempt::{Attempt, End, Task};
use crate::claim::Link;
use crate::peers::{Peer, Standing};
use crate::sweep::{self, Findings, Known};

impl Core {
    pub(super) async fn attempt_ended(&mut self, ended: Result<(AttemptKey, End), JoinError>) {
        let (key, end) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "A fault of the runner ended an attempt; it is looked for.");
                self.table.close_broken();
                self.sweep_soon();
                return;
            }
        };
        let class = self.table.close(&key);
        match end {
            End::Over if class.as_ref().is_some_and(|(_, is_awaited)| *is_awaited) => self.late.push(key),
            End::Over => {}
            End::Held(link, task) => self.held(link, *task).await,
            End::LetGo if self.lost_since.is_some() => {
                self.let_go.extend(class.map(|(class, _)| (key, class)));
            }
            End::LetGo => self.sweep_soon(),
        }
    }

    /// A delivered task somebody has claimed already.
    async fn held(&mut self, link: Link, task: Task) {
        let claim = &link.claim;
        // The planner ended the attempt, or dispatched it again after this message.
        if claim.runner == Claim::PLANNER || claim.command_sequence > task.sequence() {
            task.ack().await;
        } else if self.is_dead_here(claim) {
            self.take_over(task.key.clone(), link, &task.class.clone(), Some(task));
        } else if let Some(attempt) = self.open(&task.class, &task.key) {
            let key = task.key.clone();
            self.attempts
                .spawn(async move { (key, attempt.take_back(link, task).await) });
        }
    }

    /// Whether the claim is of a dead life of a runner in this place, this one's included.
    fn is_dead_here(&self, claim: &Claim) -> bool {
        if claim.runner == self.me.id || self.dead.contains(&claim.runner) {
            return true;
        }
        let peers = self.peers.borrow();
        peers.get(&claim.runner).is_some_and(|peer| {
            // It lives another life: nobody is left of the one that claimed.
            peer.lease.incarnation != claim.incarnation && peer.lease.place == self.me.place
        })
    }

    fn open(&mut self, class: &str, key: &AttemptKey) -> Option<Attempt> {
        let context = self.contexts.get(class)?;
        Some(self.table.open(context.clone(), key.clone()))
    }

    fn take_over(&mut self, key: AttemptKey, link: Link, class: &str, task: Option<Task>) {
        if let Some(attempt) = self.open(class, &key) {
            self.attempts
                .spawn(async move { (key, attempt.take_over(link, task).await) });
        }
    }

    /// Finds who died and whether this runner is alone.
    pub(super) fn peers_changed(&mut self) {
        let peers = self.peers.borrow_and_update();
        let shares = |peer: &Peer| {
            let classes = &peer.lease.classes;
            classes.iter().any(|class| self.contexts.contains_key(class))
        };
        self.is_alone = !peers
            .values()
            .any(|peer| peer.standing != Standing::Dead && shares(peer));
        let dead = peers
            .iter()
            .filter(|(_, peer)| peer.standing == Standing::Dead && peer.lease.place == self.me.place && shares(peer));
        let dead = dead.map(|(id, _)| id.clone()).collect();
        drop(peers);
        let is_new = !self.dead.is_superset(&dead);
        self.dead = dead;
        if is_new {
            self.sweep();
        }
    }

    /// Searches the place of each class, unless a search is under way.
    pub(super) fn sweep(&mut self) {
        self.sweep_at = Instant::now() + SWEEP;
        if self.lost_since.is_some() {
            return;
        }
        if !self.sweeps.is_empty() {
            self.sweep_soon();
            return;
        }
        for (class, context) in &self.contexts {
            let known = Known {
                active: self.table.keys().into_iter().chain(context.ahead.keys()).collect(),
                dead: self.dead.clone(),
                neighbours: self.neighbours(),
                suspects: self.suspects.remove(class).unwrap_or_default(),
            };
            let (class, context) = (class.clone(), context.clone());
            self.sweeps.spawn(async move {
                let findings = sweep::sweep(&context.bus, &*context.backend, &context.me, &known).await;
                (class, findings)
            });
        }
    }

    fn neighbours(&self) -> HashSet<String> {
        let peers = self.peers.borrow();
        let here = peers.iter().filter(|(_, peer)| peer.lease.place == self.me.place);
        here.map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn sweep_soon(&mut self) {
        self.sweep_at = self.sweep_at.min(Instant::now() + SWEEP_SOON);
    }

    pub(super) fn swept(&mut self, swept: Result<(String, Findings), JoinError>) {
        let Ok((class, findings)) = swept else {
            self.sweep_soon();
            return;
        };
        self.suspects.insert(class.clone(), findings.suspects);
        for (key, link) in findings.orphans {
            // It may have been taken since, and a lost lease forbids it.
            let is_ahead = self
                .contexts
                .get(&class)
                .is_some_and(|context| context.ahead.contains(&key));
            if self.lost_since.is_none() && !self.table.contains(&key) && !is_ahead {
                self.take_over(key, link, &class, None);
            }
        }
    }
}
