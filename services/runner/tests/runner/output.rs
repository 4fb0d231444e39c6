//! Output and what is announced.

use std::time::Duration;

use tidemill_bus::Faults;
use tidemill_messages::report::ReportBody;
use tidemill_messages::{AttemptKey, Ending, Fact, FactBody, decode, log, stream, subject};

use crate::place::{Script, outcome, started};
use crate::world::World;

fn text(container: &str, text: &str) -> ReportBody {
    ReportBody::Log {
        container: container.to_owned(),
        text: text.to_owned(),
    }
}

/// The texts of a container by their reports, each once.
async fn texts(world: &World, key: &AttemptKey, container: &str) -> Vec<(u64, String)> {
    let stored = world.all(stream::LOGS, &subject::log(key, container)).await;
    let read = stored.iter().map(|stored| {
        let report = stored.header(log::REPORT).unwrap().parse().unwrap();
        (report, String::from_utf8(stored.payload.to_vec()).unwrap())
    });
    read.collect()
}

fn container_of(line: u64) -> &'static str {
    if line.is_multiple_of(3) {
        "sidecar-db"
    } else {
        "step-work"
    }
}

async fn write(world: &World, key: &AttemptKey, lines: std::ops::Range<u64>) {
    for line in lines {
        let container = container_of(line);
        world.place.say(key, text(container, &format!("line {line}\n"))).await;
    }
}

fn expected(container: &str, lines: std::ops::Range<u64>) -> Vec<(u64, String)> {
    lines
        .filter(|line| container_of(*line) == container)
        .map(|line| (line, format!("line {line}\n")))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn output_is_stored_in_order_and_answered_up_to_the_last() {
    let world = World::new().await;
    world.place.script("build", Script::Hold);
    let _runner = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    write(&world, &key, 1..301).await;
    world.place.until(|state| state.sandboxes[&key].stored == 300).await;
    for container in ["step-work", "sidecar-db"] {
        assert_eq!(texts(&world, &key, container).await, expected(container, 1..301));
    }
}

#[tokio::test(start_paused = true)]
async fn no_output_is_lost_with_answers() {
    for seed in 0..10 {
        let world = World::new().await;
        world.place.script("build", Script::Hold);
        let _runner = world.runner("a");
        let key = world.dispatch("build").await;
        world.place.until(|state| state.started.len() == 1).await;
        world.memory.set_faults(Faults {
            seed,
            unknown_lost: 100,
            unknown_stored: 100,
            ..Faults::default()
        });
        write(&world, &key, 1..101).await;
        world.place.until(|state| state.sandboxes[&key].stored == 100).await;
        for container in ["step-work", "sidecar-db"] {
            let mut texts = texts(&world, &key, container).await;
            texts.sort();
            texts.dedup();
            assert_eq!(texts, expected(container, 1..101), "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_owner_stores_only_what_the_one_before_had_not() {
    let world = World::new().await;
    world.place.script("build", Script::Hold);
    let first = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    write(&world, &key, 1..11).await;
    world.place.until(|state| state.sandboxes[&key].stored == 10).await;
    // Stored, but the answer never reached the step.
    world
        .place
        .change(|state| state.sandboxes.get_mut(&key).unwrap().stored = 0);
    first.kill().await;
    write(&world, &key, 11..21).await;
    let _again = world.runner("a");
    world.place.until(|state| state.sandboxes[&key].stored == 20).await;
    for container in ["step-work", "sidecar-db"] {
        assert_eq!(texts(&world, &key, container).await, expected(container, 1..21));
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_for_a_while_is_announced_with_its_steps() {
    let world = World::new().await;
    world.place.script("build", Script::Hold);
    let _runner = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    world.place.say(&key, started()).await;
    world.pass(Duration::from_millis(200)).await;
    assert!(world.all(stream::FACTS, "fact.>").await.is_empty(), "not yet");
    let stored = world
        .first(stream::FACTS, &subject::attempt_fact(&key, "started"))
        .await;
    let fact: Fact = decode(&stored.subject, &stored.payload).unwrap();
    let FactBody::AttemptStarted { steps, pod_name, .. } = fact.body else {
        panic!("{fact:?}")
    };
    assert_eq!(pod_name, "release-build-pod");
    assert!(steps.len() == 1 && steps[0].running.is_some());
    assert_eq!(steps[0].name, "work");
    world.place.end(&key, outcome(Ending::Succeeded)).await;
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    assert_eq!(world.all(stream::FACTS, "fact.>").await.len(), 2);
}
