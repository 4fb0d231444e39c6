use futures::future::join_all;
use tidemill_bus::{Faults, Memory, layout};

use super::*;
use crate::lease::Keeper;
use crate::slots::Slots;

struct World {
    memory: Memory,
    bus: Bus,
    key: AttemptKey,
}

async fn world() -> World {
    let memory = Memory::default();
    let bus = memory.connect();
    layout::ensure(&bus, &layout::Limits::default()).await.unwrap();
    World {
        memory,
        bus,
        key: AttemptKey::new("run-1", "build", 0),
    }
}

fn identity(id: &str) -> Identity {
    Identity {
        id: id.to_owned(),
        incarnation: format!("{id}-1"),
        place: "here".to_owned(),
        boot_id: "boot".to_owned(),
    }
}

async fn hold(world: &World, me: &Identity) -> Hold {
    let keeper = Keeper::start(world.bus.clone(), me.clone(), vec![], Slots::new(1)).await;
    keeper.unwrap().hold()
}

impl World {
    async fn take(&self, id: &str, expected: u64) -> Outcome {
        let me = identity(id);
        let hold = hold(self, &me).await;
        let wanted = Wanted {
            key: &self.key,
            class: "process",
            command_sequence: 1,
            command_subject: "",
            expected,
            boot_id: "",
            traceparent: "",
        };
        take(&self.bus, &hold, &me, wanted).await.unwrap()
    }
}

fn is_mine(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Mine { .. })
}

#[tokio::test]
async fn of_a_hundred_who_claim_one_wins_and_all_know_whom() {
    let world = world().await;
    let ids: Vec<String> = (0..100).map(|n| format!("r-{n}")).collect();
    let outcomes = join_all(ids.iter().map(|id| world.take(id, 0))).await;
    let winners: Vec<&String> = ids
        .iter()
        .zip(&outcomes)
        .filter_map(|(id, outcome)| is_mine(outcome).then_some(id))
        .collect();
    assert_eq!(winners.len(), 1);
    for outcome in &outcomes {
        if let Outcome::Held(link) = outcome {
            assert_eq!(&link.claim.runner, winners[0]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_was_lost_is_found_again() {
    for seed in 0..50 {
        let world = world().await;
        let me = identity("a");
        let hold = hold(&world, &me).await;
        world.memory.set_faults(Faults {
            seed,
            unknown_stored: 500,
            unknown_lost: 300,
            ..Faults::default()
        });
        let wanted = Wanted {
            key: &world.key,
            class: "process",
            command_sequence: 1,
            command_subject: "",
            expected: 0,
            boot_id: "",
            traceparent: "",
        };
        let outcome = take(&world.bus, &hold, &me, wanted).await.unwrap();
        let Outcome::Mine { sequence, .. } = outcome else {
            panic!("seed {seed}: {outcome:?}")
        };
        let newest = read(&world.bus, &world.key).await.unwrap().unwrap();
        assert_eq!(newest.sequence, sequence, "seed {seed}");
    }
}

#[tokio::test]
async fn an_earlier_claim_of_the_same_life_is_not_taken_for_a_new_one() {
    let world = world().await;
    assert!(is_mine(&world.take("a", 0).await));
    let Outcome::Held(link) = world.take("a", 0).await else {
        panic!("claimed twice")
    };
    assert_eq!(link.claim.runner, "a");
}

#[tokio::test]
async fn a_takeover_replaces_the_claim_it_saw_and_no_other() {
    let world = world().await;
    let Outcome::Mine { sequence: first, .. } = world.take("a", 0).await else {
        panic!("not claimed")
    };
    let both = futures::join!(world.take("b", first), world.take("c", first));
    assert!(is_mine(&both.0) != is_mine(&both.1), "{both:?}");
    assert!(!is_mine(&world.take("d", first).await));
}
