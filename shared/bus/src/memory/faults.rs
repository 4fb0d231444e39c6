//! Faults of the in-memory bus: seeded, so that a failure can be played again.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// How often, of 1,000 chances, something goes wrong. The default is: never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The same seed and the same calls give the same faults.
    pub seed: u64,
    /// A publish is stored, but its caller gets [`crate::Error::Unknown`].
    pub unknown_stored: u32,
    /// A publish is not stored, and its caller gets [`crate::Error::Unknown`].
    pub unknown_lost: u32,
    /// A compare-and-set meets "another write is under way" once and is tried again inside.
    pub busy: u32,
    /// A delivered message comes again at once although its `ack_wait` has not run out.
    pub redelivered: u32,
    /// A message comes twice in one batch.
    pub duplicated: u32,
    /// A batch is handed out in another order.
    pub reordered: u32,
    /// An acknowledgement is lost, so the message comes again.
    pub acks_lost: u32,
    /// The connection drops at a publish (before it) and returns after a quarter of a second.
    pub disconnected: u32,
}

/// The dice of one world.
pub(super) struct Dice {
    pub(super) faults: Faults,
    random: Xoshiro256PlusPlus,
}

impl Dice {
    pub(super) fn new(faults: Faults) -> Self {
        Self {
            random: Xoshiro256PlusPlus::seed_from_u64(faults.seed),
            faults,
        }
    }

    /// Whether the fault that `pick` names strikes now.
    pub(super) fn strikes(&mut self, pick: impl Fn(&Faults) -> u32) -> bool {
        let chance = pick(&self.faults).min(1_000);
        chance > 0 && self.random.random_range(0..1_000) < chance
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.random.random_range(0..=last));
        }
    }
}
