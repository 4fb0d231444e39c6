//! One owner an attempt, whatever comes twice.

use std::time::Duration;

use tidemill_bus::{Faults, Message};
use tidemill_messages::claim::Claim;
use tidemill_messages::envelope::{RUNNER, VERSION};
use tidemill_messages::{CancelReason, Ending, encode, stream, subject};

use crate::place::{Place, Script, outcome};
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_task_is_played_and_only_claim_and_result_are_stored() {
    let world = World::new().await;
    let _runner = world.runner("a");
    let key = world.dispatch("build").await;
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    world.place.until(|state| state.removed == [key.clone()]).await;
    assert_eq!(world.all(stream::FACTS, "fact.>").await.len(), 1);
    let claims = world.all(stream::CLAIMS, "claim.>").await;
    assert_eq!(claims.len(), 1);
    assert!(claims[0].header(RUNNER).unwrap().starts_with("a/"));
    assert!(world.all(stream::LOGS, "log.>").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hundred_copies_of_a_task_start_it_once() {
    let world = World::new().await;
    world.memory.set_faults(Faults {
        seed: 7,
        redelivered: 300,
        duplicated: 300,
        reordered: 300,
        acks_lost: 300,
        ..Faults::default()
    });
    let other_place = Place::new();
    let _here = world.runner("a");
    let elsewhere = tidemill_runner::Settings {
        place: "elsewhere".to_owned(),
        ..world.settings("b")
    };
    let _elsewhere = world.runner_with(elsewhere, &other_place);
    let (key, message) = world.command("build", 5);
    for _ in 0..100 {
        world.bus.publish(message.clone()).await.unwrap();
    }
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    world.pass(Duration::from_secs(600)).await;
    let starts = world.place.look(|state| state.started.len()) + other_place.look(|state| state.started.len());
    assert_eq!(starts, 1);
    assert_eq!(world.all(stream::FACTS, "fact.>").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_lost_change_nothing() {
    for seed in 0..20 {
        let world = World::new().await;
        let _runner = world.runner("a");
        world.memory.set_faults(Faults {
            seed,
            unknown_stored: 200,
            unknown_lost: 200,
            busy: 200,
            ..Faults::default()
        });
        let (keys, commands): (Vec<_>, Vec<_>) = (0..10).map(|n| world.command(&format!("t-{n}"), 5)).unzip();
        for command in commands {
            while world
                .bus
                .publish(command.clone().expecting(0))
                .await
                .is_err_and(|e| !e.is_conflict())
            {}
        }
        for key in &keys {
            assert_eq!(world.ending(key).await, Ending::Succeeded, "seed {seed}");
        }
        let mut started = world.place.look(|state| state.started.clone());
        started.sort();
        assert_eq!(started, keys, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_lost_leaves_nothing_behind() {
    let world = World::new().await;
    let (key, command) = world.command("build", 5);
    take(&world, &key, "somebody-else", 1).await;
    let _runner = world.runner("a");
    world.pass(Duration::from_secs(1)).await;
    world.bus.publish(command).await.unwrap();
    world.place.until(|state| state.prepared == [key.clone()]).await;
    world.place.until(|state| state.sandboxes.is_empty()).await;
    assert!(world.place.look(|state| state.started.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn what_the_planner_took_is_never_started() {
    let world = World::new().await;
    let (key, command) = world.command("build", 5);
    take(&world, &key, Claim::PLANNER, 0).await;
    let _runner = world.runner("a");
    world.pass(Duration::from_secs(1)).await;
    world.bus.publish(command).await.unwrap();
    world.place.until(|state| state.removed == [key.clone()]).await;
    world.pass(Duration::from_secs(120)).await;
    assert!(world.place.look(|state| state.started.is_empty()));
    assert!(
        world.all(stream::FACTS, "fact.>").await.is_empty(),
        "the planner says how it ended"
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_over_or_gone_starts_nothing() {
    let over = World::new().await;
    over.decide(true).await;
    let gone = World::without_run().await;
    for world in [&over, &gone] {
        let _runner = world.runner("a");
        let key = world.dispatch("build").await;
        world.place.until(|state| state.removed == [key.clone()]).await;
        world.pass(Duration::from_secs(120)).await;
        assert!(world.place.look(|state| state.started.is_empty()));
        assert!(world.all(stream::FACTS, "fact.>").await.is_empty());
    }
    let left = gone.all(stream::CLAIMS, "claim.>").await;
    assert!(left.is_empty(), "a claim after the purge would lie there for ever");
}

#[tokio::test(start_paused = true)]
async fn cancelled_before_its_start_it_ends_so_without_one() {
    for (reason, ending) in [
        (CancelReason::Cancelled, Ending::Cancelled),
        (CancelReason::TimedOut, Ending::TimedOut),
    ] {
        let world = World::new().await;
        let (key, command) = world.command("build", 5);
        world.cancel(&key, reason).await;
        let _runner = world.runner("a");
        world.bus.publish(command).await.unwrap();
        let outcome = world.finished(&key).await;
        assert_eq!((outcome.ending, outcome.started_at), (ending, None));
        assert!(world.place.look(|state| state.started.is_empty()));
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_while_it_runs_it_is_killed_once() {
    let world = World::new().await;
    world.place.script("build", Script::Hold);
    let _runner = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    world.cancel(&key, CancelReason::TimedOut).await;
    assert_eq!(world.ending(&key).await, Ending::TimedOut);
    world.place.until(|state| state.removed.len() == 1).await;
    let killed = world.place.look(|state| state.killed.clone());
    assert_eq!(killed, [(key, CancelReason::TimedOut)]);
}

#[tokio::test(start_paused = true)]
async fn the_first_result_stands() {
    let world = World::new().await;
    world.place.script("build", Script::Hold);
    let _runner = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    let subject = subject::attempt_fact(&key, "finished");
    let first = world
        .bus
        .publish(Message::new(subject.clone(), "{}").expecting(0))
        .await
        .unwrap();
    world.place.end(&key, outcome(Ending::Succeeded)).await;
    world.place.until(|state| state.removed.len() == 1).await;
    let last = world.bus.last(stream::FACTS, &subject).await.unwrap().unwrap();
    assert_eq!(last.sequence, first);
}

#[tokio::test(start_paused = true)]
async fn what_ran_before_the_machine_was_started_anew_is_lost_and_not_run_again() {
    let world = World::new().await;
    let (key, sequence) = world.dispatch_with("build", 5).await;
    take_in(&world, &key, "a", sequence, "an-earlier-boot").await;
    let _runner = world.runner("a");
    assert!(matches!(world.ending(&key).await, Ending::Lost { .. }));
    world.pass(Duration::from_secs(120)).await;
    assert!(world.place.look(|state| state.started.is_empty()));
    let claims = world.all(stream::CLAIMS, "claim.>").await;
    let newest: Claim = serde_json::from_slice(&claims.last().unwrap().payload).unwrap();
    assert_eq!(newest.boot_id, "an-earlier-boot", "who dies now leaves it to the next");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_is_not_begun_beside_its_own_takeover() {
    let world = World::new().await;
    let settings = tidemill_runner::Settings {
        slots: 1,
        ..world.settings("a")
    };
    world.place.script("first", Script::Hold);
    world.place.script("second", Script::Hold);
    let _runner = world.runner_with(settings, &world.place);
    let first = world.dispatch("first").await;
    world.place.until(|state| state.started.len() == 1).await;
    // It waits for the slot here; an earlier life had claimed it, and its sandbox is found by the sweep.
    let (second, sequence) = world.dispatch_with("second", 5).await;
    world.pass(Duration::from_secs(1)).await;
    take(&world, &second, "a", sequence).await;
    world
        .place
        .change(|state| state.sandboxes.insert(second.clone(), Default::default()));
    world.place.until(|state| state.adopted.len() == 1).await;
    world.place.end(&first, outcome(Ending::Succeeded)).await;
    world.place.until(|state| state.started.len() == 2).await;
    world.pass(Duration::from_secs(120)).await;
    world.place.end(&second, outcome(Ending::Succeeded)).await;
    assert_eq!(world.ending(&second).await, Ending::Succeeded);
    assert!(world.place.look(|state| state.adopted.iter().eq([&second])));
    assert_eq!(world.place.look(|state| state.started.clone()), [first, second]);
}

async fn take(world: &World, key: &tidemill_messages::AttemptKey, runner: &str, command_sequence: u64) {
    take_in(world, key, runner, command_sequence, "").await;
}

async fn take_in(
    world: &World,
    key: &tidemill_messages::AttemptKey,
    runner: &str,
    command_sequence: u64,
    boot_id: &str,
) {
    let subject = subject::claim(key);
    let claim = Claim {
        version: VERSION,
        runner: runner.to_owned(),
        incarnation: "1".to_owned(),
        class: "process".to_owned(),
        command_sequence,
        command_subject: String::new(),
        boot_id: boot_id.to_owned(),
    };
    let payload = encode(&subject, &claim).unwrap();
    world
        .bus
        .publish(Message::new(subject, payload).expecting(0))
        .await
        .unwrap();
}
