//! The other runners: who is alive, by this runner's own clock (R2).

use std::collections::HashMap;

use jiff::SignedDuration;
use tidemill_bus::{Bus, Reader, Stored};
use tidemill_messages::claim::Lease;
use tidemill_messages::{decode, stream, subject};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::identity::Identity;
use crate::lease::EXPIRY;

/// The leases of all runners.
const ALL_LEASES: &str = "runner.*";

/// Leases that did not change for so long are removed: planners have given up all that was claimed
/// under them.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is known of another runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its lease was there when this runner came; it has not been seen to change yet.
    Unknown,
    /// It renews its lease.
    Alive,
    /// It does not, or says that it leaves.
    Dead,
}

/// Another runner.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) standing: Standing,
    pub(crate) lease: Lease,
    sequence: u64,
    seen_at: Instant,
}

/// By id, without this runner.
pub(crate) type Peers = HashMap<String, Peer>;

/// Watches the leases.
pub(crate) struct Watcher {
    bus: Bus,
    me: Identity,
    /// Leases up to here were there before this runner.
    before: u64,
    peers: watch::Sender<Peers>,
}

impl Watcher {
    pub(crate) fn new(bus: Bus, me: Identity, before: u64) -> Self {
        Self {
            bus,
            me,
            before,
            peers: watch::Sender::new(Peers::new()),
        }
    }

    pub(crate) fn peers(&self) -> watch::Receiver<Peers> {
        self.peers.subscribe()
    }

    /// Watches until the stream is gone.
    pub(crate) async fn run(self) -> Result<(), tidemill_bus::Error> {
        let mut leases: Reader = self.bus.reader(stream::CLAIMS, ALL_LEASES, 0, false).await?;
        let mut connected = self.bus.connected();
        loop {
            let expiry = self.next_expiry().filter(|_| *connected.borrow());
            tokio::select! {
                stored = leases.next() => self.observe(&stored?).await,
                // Time without a connection does not count: it starts anew.
                changed = connected.changed() => match changed {
                    Ok(()) => self.start_clocks_anew(),
                    Err(_) => return Ok(()),
                },
                () = wait_until(expiry) => self.check_expired().await,
            }
        }
    }

    async fn observe(&self, stored: &Stored) {
        if self.bus.now().duration_since(stored.time) > FORGOTTEN_AFTER {
            let up_to = Some(stored.sequence + 1);
            if let Err(error) = self.bus.purge(stream::CLAIMS, &stored.subject, up_to).await {
                tracing::debug!(%error, "An old lease could not be removed.");
            }
            return;
        }
        let Ok(lease) = decode::<Lease>(&stored.subject, &stored.payload) else {
            return;
        };
        if lease.runner == self.me.id {
            return;
        }
        let standing = match &lease {
            lease if lease.leaving => Standing::Dead,
            _ if stored.sequence <= self.before => Standing::Unknown,
            _ => Standing::Alive,
        };
        let peer = Peer {
            standing,
            sequence: stored.sequence,
            seen_at: Instant::now(),
            lease,
        };
        self.peers.send_modify(|peers| {
            peers.insert(peer.lease.runner.clone(), peer);
        });
    }

    fn start_clocks_anew(&self) {
        self.peers.send_if_modified(|peers| {
            for peer in peers.values_mut() {
                peer.seen_at = Instant::now();
            }
            false
        });
    }

    fn next_expiry(&self) -> Option<Instant> {
        let peers = self.peers.borrow();
        let living = peers.values().filter(|peer| peer.standing != Standing::Dead);
        living.map(|peer| peer.seen_at + EXPIRY).min()
    }

    /// Before a runner is called dead the leader is asked: the reader may lag.
    async fn check_expired(&self) {
        let now = Instant::now();
        let expired: Vec<(String, u64)> = self
            .peers
            .borrow()
            .iter()
            .filter(|(_, peer)| peer.standing != Standing::Dead && peer.seen_at + EXPIRY <= now)
            .map(|(id, peer)| (id.clone(), peer.sequence))
            .collect();
        for (id, sequence) in expired {
            let Ok(last) = self.bus.last(stream::CLAIMS, &subject::lease(&id)).await else {
                // Who cannot ask cannot judge.
                self.start_clocks_anew();
                return;
            };
            let is_dead = last.is_none_or(|last| last.sequence == sequence);
            self.peers.send_modify(|peers| {
                if let Some(peer) = peers.get_mut(&id) {
                    peer.seen_at = Instant::now();
                    if is_dead && peer.sequence == sequence {
                        peer.standing = Standing::Dead;
                        tracing::info!(runner = id, "A runner shows no life any more.");
                    }
                }
            });
        }
    }
}

async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => futures::future::pending().await,
    }
}
