//! The in-memory twin of a nats-server, for tests and simulations.
//!
//! It keeps the semantics the contract suite checks on both; what it does not have is a disk. Time
//! is tokio's, so a test with a paused clock needs no waiting.

mod call;
mod durable;
mod faults;
mod pull;
mod room;
mod schedule;
mod source;
mod store;
mod transport;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

pub use faults::Faults;

use crate::{Bus, Error};
use world::World;

/// An in-memory server: connections made from it share streams, consumers and faults.
#[derive(Clone)]
pub struct Memory {
    shared: Arc<Shared>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(Faults::default())
    }
}

impl Memory {
    /// A server without streams. Call it within a tokio runtime.
    pub fn new(faults: Faults) -> Self {
        Self {
            shared: Arc::new(Shared {
                world: Mutex::new(World::new(faults)),
                changed: watch::Sender::new(0),
                reachable: watch::Sender::new(true),
                links: Mutex::default(),
            }),
        }
    }

    /// One more connection, as another process would have it.
    pub fn connect(&self) -> Bus {
        let link = Link {
            connected: watch::Sender::new(*self.shared.reachable.borrow()),
            closed: watch::Sender::new(false),
        };
        self.links().push(link.clone());
        let shared = self.shared.clone();
        Bus {
            transport: Arc::new(Connection { shared, link }),
        }
    }

    /// Other faults from now on; the dice start anew from their seed.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.lock().dice = faults::Dice::new(faults);
    }

    /// Cuts every connection (`false`) or lets them return (`true`).
    pub fn set_reachable(&self, reachable: bool) {
        self.shared.reachable.send_replace(reachable);
        for link in self.links().iter() {
            link.set_connected(reachable);
        }
        self.shared.touch();
    }

    /// Whether the stream has a durable consumer of this name: tests wait for it.
    pub fn has_consumer(&self, stream: &str, name: &str) -> bool {
        let world = self.shared.lock();
        world
            .streams
            .get(stream)
            .is_some_and(|store| store.durables.contains_key(name))
    }

    fn links(&self) -> MutexGuard<'_, Vec<Link>> {
        self.shared.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bus {
    /// The only connection to an in-memory server of its own, without faults. Call it within a
    /// tokio runtime; for several connections or faults see [`Memory`].
    pub fn memory() -> Self {
        Memory::default().connect()
    }
}

struct Shared {
    world: Mutex<World>,
    changed: watch::Sender<u64>,
    reachable: watch::Sender<bool>,
    links: Mutex<Vec<Link>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, World> {
        // A panic in a test leaves the world as it was between two calls.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes everything that waits for a change.
    fn touch(&self) {
        self.changed.send_modify(|version| *version += 1);
    }
}

/// One connection's state; only [`Link::closed`] is final.
#[derive(Clone)]
struct Link {
    connected: watch::Sender<bool>,
    closed: watch::Sender<bool>,
}

/// A connection and the server behind it.
#[derive(Clone)]
struct Connection {
    shared: Arc<Shared>,
    link: Link,
}

impl Connection {
    /// Whether the server can be reached.
    fn up(&self) -> Result<bool, Error> {
        if *self.link.closed.borrow() {
            return Err(disconnected());
        }
        Ok(*self.link.connected.borrow())
    }

    fn set_connected(&self, connected: bool) {
        self.link.set_connected(connected && *self.shared.reachable.borrow());
        self.shared.touch();
    }
}

impl Link {
    fn set_connected(&self, connected: bool) {
        self.connected.send_replace(connected && !*self.closed.borrow());
    }
}

fn disconnected() -> Error {
    Error::Disconnected {
        address: "memory".to_owned(),
        source: None,
    }
}
