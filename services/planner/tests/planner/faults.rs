//! Lost acknowledgements, repeated and reordered facts, unknown outcomes, dropped connections, two
//! planners at once.

use std::time::Duration;

use tidemill_bus::Faults;

use crate::fake::Play;
use crate::world::{World, diamond, pipeline, task};

const SEEDS: std::ops::Range<u64> = 1..21;

fn rough(seed: u64) -> Faults {
    Faults {
        seed,
        unknown_stored: 60,
        unknown_lost: 60,
        busy: 50,
        redelivered: 150,
        duplicated: 150,
        reordered: 300,
        acks_lost: 150,
        disconnected: 15,
    }
}

#[tokio::test(start_paused = true)]
async fn two_planners_on_rough_sea_decide_as_one() {
    for seed in SEEDS {
        let world = World::new().await.without_sweep();
        world.fake.play("left", Play::After(Duration::from_secs(1)));
        let uid = world.start("diamond", diamond()).await;
        world.memory.as_ref().unwrap().set_faults(rough(seed));
        let (one, other) = (world.planner(), world.planner());
        assert_eq!(world.ended("diamond").await.1, "Succeeded", "seed {seed}");
        world.memory.as_ref().unwrap().set_faults(Faults::default());
        world.audit("diamond", &uid).await;
        assert_eq!(world.fake.executed().len(), 4, "seed {seed}");
        one.stop().await;
        other.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn planners_that_come_and_go_finish_what_others_began() {
    for seed in SEEDS {
        let world = World::new().await.without_sweep();
        let mut tasks = vec![task("t0", &[])];
        for number in 1..6 {
            let before = format!("t{}", number - 1);
            tasks.push(task(&format!("t{number}"), &[&before]));
            world.fake.play(&before, Play::After(Duration::from_millis(400)));
        }
        let uid = world.start("chain", pipeline(tasks)).await;
        world.memory.as_ref().unwrap().set_faults(rough(seed));
        for lifetime_ms in [10, 500, 130, 900, 700] {
            let planner = world.planner();
            tokio::time::sleep(Duration::from_millis(lifetime_ms * (1 + seed % 3))).await;
            planner.task.abort();
        }
        let last = world.planner();
        assert_eq!(world.ended("chain").await.1, "Succeeded", "seed {seed}");
        world.memory.as_ref().unwrap().set_faults(Faults::default());
        world.audit("chain", &uid).await;
        assert_eq!(world.fake.executed().len(), 6, "seed {seed}");
        last.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_server_is_waited_out() {
    let world = World::new().await.without_sweep();
    let memory = world.memory.clone().unwrap();
    let planner = world.planner();
    world.fake.play("left", Play::After(Duration::from_secs(5)));
    let uid = world.start("diamond", diamond()).await;
    world.until_executed("left/0").await;
    memory.set_reachable(false);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(!planner.task.is_finished(), "the planner gave up");
    memory.set_reachable(true);
    assert_eq!(world.ended("diamond").await.1, "Succeeded");
    world.audit("diamond", &uid).await;
    planner.stop().await;
}
