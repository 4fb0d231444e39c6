//! Everything at once, by seed: two runners of one place that die, stop and come back, a bus that
//! loses answers and repeats messages, outages shorter and longer than a lease.

use std::time::Duration;

use tidemill_bus::Faults;
use tidemill_messages::{AttemptKey, Ending, stream};

use crate::place::{Place, Script, outcome};
use crate::world::{Process, World};

const SEEDS: u64 = 100;
const TASKS: usize = 16;
const BLOWS: usize = 14;

/// Numbers that are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64: neighbouring seeds give unrelated numbers.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn span(&mut self, limit_ms: u64) -> Duration {
        Duration::from_millis(self.below(limit_ms))
    }
}

/// Ends the attempt a while after it was started.
async fn end_later(place: Place, key: AttemptKey, after: Duration) {
    place.until(|state| state.started.contains(&key)).await;
    tokio::time::sleep(after).await;
    place.end(&key, outcome(Ending::Succeeded)).await;
}

async fn blow(world: &World, runners: &mut [Option<Process>; 2], dice: &mut Dice) {
    let one = dice.below(2) as usize;
    let id = ["a", "b"][one];
    match dice.below(4) {
        0 => {
            runners[one].take().unwrap().kill().await;
            world.pass(dice.span(20_000)).await;
            runners[one] = Some(world.runner(id));
        }
        1 => {
            runners[one].take().unwrap().stop().await;
            world.pass(dice.span(20_000)).await;
            runners[one] = Some(world.runner(id));
        }
        2 => {
            world.memory.set_reachable(false);
            world.pass(dice.span(30_000)).await;
            world.memory.set_reachable(true);
        }
        _ => world.pass(dice.span(10_000)).await,
    }
}

async fn storm(seed: u64) {
    let mut dice = Dice(seed);
    let world = World::new().await;
    world.memory.set_faults(Faults {
        seed,
        unknown_stored: 40,
        unknown_lost: 40,
        busy: 40,
        redelivered: 40,
        duplicated: 40,
        reordered: 100,
        acks_lost: 40,
        disconnected: 10,
    });
    let mut runners = [Some(world.runner("a")), Some(world.runner("b"))];
    let mut keys = Vec::new();
    for n in 0..TASKS.max(BLOWS) {
        if n < TASKS {
            let task = format!("t-{n:02}");
            let (key, command) = world.command(&task, 5);
            if dice.below(2) == 0 {
                world.place.script(&task, Script::Hold);
                tokio::spawn(end_later(world.place.clone(), key.clone(), dice.span(40_000)));
            }
            let command = command.expecting(0);
            while world
                .bus
                .publish(command.clone())
                .await
                .is_err_and(|error| !error.is_conflict())
            {}
            keys.push(key);
        }
        if n < BLOWS {
            blow(&world, &mut runners, &mut dice).await;
        }
    }
    for key in &keys {
        assert_eq!(world.ending(key).await, Ending::Succeeded, "seed {seed}");
    }
    world.place.until(|state| state.sandboxes.is_empty()).await;
    let mut started = world.place.look(|state| state.started.clone());
    started.sort();
    assert_eq!(started, keys, "seed {seed}: each once");
    let finished = world.all(stream::FACTS, "fact.*.*.*.*.finished").await;
    assert_eq!(finished.len(), keys.len(), "seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn each_task_is_started_once_and_ends_once() {
    for seed in 0..SEEDS {
        storm(seed).await;
    }
}
