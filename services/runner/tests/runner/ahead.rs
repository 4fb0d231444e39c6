//! Claims and sandboxes made for tasks that are only announced; tasks that begin when their decision is
//! stored, before their messages come.

use std::time::Duration;

use bytes::Bytes;
use tidemill_bus::Message;
use tidemill_messages::envelope::{DECISION_ID, TASK};
use tidemill_messages::{AttemptKey, CancelReason, Ending, stream, subject};

use crate::place::{Place, Script, outcome};
use crate::world::{Process, World};

const DECISION: &str = "decision-7";

/// Announces a task, once the runner listens.
async fn announce(world: &World, command: &Message) {
    say_hint(world, Message::new(subject::hint("process"), command.payload.clone())).await;
}

/// Announces a task that may be claimed for its decision.
async fn announce_decision(world: &World, command: &Message) {
    let hint = Message::new(subject::hint("process"), command.payload.clone());
    say_hint(world, hint.header(DECISION_ID, DECISION).header(TASK, &command.subject)).await;
}

async fn say_hint(world: &World, hint: Message) {
    world.pass(Duration::from_secs(1)).await;
    world.bus.notify(hint).await.unwrap();
}

async fn until_prepared(world: &World, keys: &[AttemptKey]) {
    world.place.until(|state| state.prepared == keys).await;
}

/// Says that a decision is stored.
async fn say_go(world: &World, decision: &str) {
    let go = Message::new(subject::go("process"), Bytes::new()).header(DECISION_ID, decision);
    world.bus.notify(go).await.unwrap();
}

/// A runner and a task that is claimed and prepared there.
async fn claimed(world: &World) -> (Process, AttemptKey, Message) {
    let runner = world.runner("a");
    let (key, command) = world.command("build", 5);
    announce_decision(world, &command).await;
    until_prepared(world, std::slice::from_ref(&key)).await;
    (runner, key, command)
}

/// A runner and a task that runs there, whose command is not stored.
async fn begun(world: &World) -> (Process, AttemptKey, Message) {
    world.place.script("build", Script::Hold);
    let begun = claimed(world).await;
    assert!(world.place.look(|state| state.started.is_empty()));
    say_go(world, DECISION).await;
    world.place.until(|state| state.started == [begun.1.clone()]).await;
    begun
}

/// Ends the attempt, which was started once.
async fn ends_well(world: &World, key: &AttemptKey) {
    world.place.end(key, outcome(Ending::Succeeded)).await;
    assert_eq!(world.ending(key).await, Ending::Succeeded);
    assert_eq!(starts(world).await, 1);
}

/// The task's message was acknowledged.
async fn nothing_comes_again(world: &World, runner: Process) {
    runner.kill().await;
    assert_eq!(world.unacknowledged().await, 0);
}

async fn claims_of(world: &World, key: &AttemptKey) -> usize {
    world.all(stream::CLAIMS, &subject::claim(key)).await.len()
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_comes_after_its_task_makes_nothing() {
    let world = World::new().await;
    let (runner, key, command) = begun(&world).await;
    announce_decision(&world, &command).await;
    world.pass(Duration::from_secs(5)).await;
    assert_eq!(world.place.look(|state| state.prepared.len()), 1);
    ends_well(&world, &key).await;
    announce(&world, &command).await;
    world.pass(Duration::from_secs(5)).await;
    assert_eq!(world.place.look(|state| state.prepared.len()), 1);
    drop(runner);
}

/// How often the task was started, when all that could happen has.
async fn starts(world: &World) -> usize {
    world.pass(Duration::from_secs(120)).await;
    world.place.look(|state| state.started.len())
}

#[tokio::test(start_paused = true)]
async fn a_decided_task_begins_before_its_message_comes() {
    let world = World::new().await;
    let (runner, key, command) = begun(&world).await;
    world.bus.publish(command.expecting(0)).await.unwrap();
    world.pass(Duration::from_secs(1)).await;
    ends_well(&world, &key).await;
    assert_eq!(claims_of(&world, &key).await, 1);
    nothing_comes_again(&world, runner).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_after_the_end_starts_nothing() {
    let world = World::new().await;
    let runner = world.runner("a");
    let (key, command) = world.command("build", 5);
    announce_decision(&world, &command).await;
    say_go(&world, DECISION).await;
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    world.place.until(|state| state.sandboxes.is_empty()).await;
    world.bus.publish(command.expecting(0)).await.unwrap();
    assert_eq!(starts(&world).await, 1);
    nothing_comes_again(&world, runner).await;
}

#[tokio::test(start_paused = true)]
async fn the_go_of_another_decision_starts_nothing_and_a_lost_one_delays_nothing() {
    let world = World::new().await;
    let _runner = world.runner("a");
    let (key, command) = world.command("build", 5);
    announce_decision(&world, &command).await;
    say_go(&world, "another").await;
    until_prepared(&world, std::slice::from_ref(&key)).await;
    world.pass(Duration::from_millis(500)).await;
    assert!(world.place.look(|state| state.started.is_empty()));
    world.bus.publish(command.expecting(0)).await.unwrap();
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    assert_eq!(world.place.look(|state| state.prepared.len()), 1);
    assert_eq!(claims_of(&world, &key).await, 1, "the claim made ahead serves");
}

#[tokio::test(start_paused = true)]
async fn the_claim_of_a_task_that_does_not_come_is_withdrawn() {
    let world = World::new().await;
    let (_runner, key, command) = claimed(&world).await;
    assert_eq!(claims_of(&world, &key).await, 1);
    world.place.until(|state| state.sandboxes.is_empty()).await;
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(claims_of(&world, &key).await, 0);
    say_go(&world, DECISION).await;
    assert_eq!(starts(&world).await, 0, "its time is over");
    world.bus.publish(command.expecting(0)).await.unwrap();
    assert_eq!(world.ending(&key).await, Ending::Succeeded, "it may come late");
}

#[tokio::test(start_paused = true)]
async fn a_task_cancelled_after_its_claim_does_not_start() {
    let world = World::new().await;
    let (runner, key, command) = claimed(&world).await;
    world.cancel(&key, CancelReason::TimedOut).await;
    say_go(&world, DECISION).await;
    assert_eq!(world.ending(&key).await, Ending::TimedOut);
    world.bus.publish(command.expecting(0)).await.unwrap();
    assert_eq!(starts(&world).await, 0);
    nothing_comes_again(&world, runner).await;
}

/// Runner and planner die at once, after the go and before the command is stored.
#[tokio::test(start_paused = true)]
async fn what_runs_without_a_stored_command_is_left_and_adopted_when_that_comes() {
    let world = World::new().await;
    let (runner, key, command) = begun(&world).await;
    runner.kill().await;
    let again = world.runner("a");
    world.pass(Duration::from_secs(200)).await;
    assert!(
        world
            .place
            .look(|state| state.discarded.is_empty() && state.removed.is_empty())
    );
    world.bus.publish(command.expecting(0)).await.unwrap();
    world.place.until(|state| state.adopted == [key.clone()]).await;
    ends_well(&world, &key).await;
    nothing_comes_again(&world, again).await;
}

#[tokio::test(start_paused = true)]
async fn what_runs_without_a_stored_command_goes_with_its_run() {
    let world = World::new().await;
    let (runner, ..) = begun(&world).await;
    runner.kill().await;
    world.decide(true).await;
    let _again = world.runner("a");
    world.place.until(|state| state.sandboxes.is_empty()).await;
}

/// The same, but the command was stored: the claim says where.
#[tokio::test(start_paused = true)]
async fn an_attempt_begun_ahead_is_adopted_by_the_next_life() {
    let world = World::new().await;
    let (runner, key, command) = begun(&world).await;
    world.bus.publish(command.expecting(0)).await.unwrap();
    world.pass(Duration::from_secs(1)).await;
    runner.kill().await;
    let _again = world.runner("a");
    world.place.until(|state| state.adopted == [key.clone()]).await;
    ends_well(&world, &key).await;
}

/// A claim made ahead by a runner that died before the decision was stored hinders nobody.
#[tokio::test(start_paused = true)]
async fn a_claim_of_a_dead_runner_whose_task_had_not_begun_is_taken_over() {
    let world = World::new().await;
    let (runner, key, command) = claimed(&world).await;
    runner.kill().await;
    let _again = world.runner("a");
    world.pass(Duration::from_secs(5)).await;
    world.bus.publish(command.expecting(0)).await.unwrap();
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    assert_eq!(starts(&world).await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_given_back_after_a_go_is_dispatched_again() {
    let world = World::new().await;
    world.place.script("build", Script::Vanish(3));
    let _runner = world.runner("a");
    let (key, command) = world.command("build", 5);
    announce_decision(&world, &command).await;
    say_go(&world, DECISION).await;
    let returned = format!("{}.>", subject::attempt_fact(&key, "returned"));
    world.first(stream::FACTS, &returned).await;
    let first = world.bus.publish(command.clone().expecting(0)).await.unwrap();
    world.pass(Duration::from_secs(1)).await;
    let again = command.header(tidemill_messages::envelope::DISPATCH, "1");
    world.bus.publish(again.expecting(first)).await.unwrap();
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn an_announced_task_is_prepared_once_and_before_it_comes() {
    let world = World::new().await;
    let _runner = world.runner("a");
    let (key, command) = world.command("build", 5);
    announce(&world, &command).await;
    until_prepared(&world, std::slice::from_ref(&key)).await;
    assert!(world.place.look(|state| state.started.is_empty()));
    world.bus.publish(command.expecting(0)).await.unwrap();
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    assert_eq!(world.place.look(|state| state.prepared.len()), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_made_for_a_task_that_does_not_come_is_removed() {
    let world = World::new().await;
    let _runner = world.runner("a");
    let (key, command) = world.command("build", 5);
    announce(&world, &command).await;
    world.place.until(|state| state.removed == [key.clone()]).await;
    assert!(
        world
            .place
            .look(|state| state.started.is_empty() && state.sandboxes.is_empty())
    );
    world.bus.publish(command.expecting(0)).await.unwrap();
    assert_eq!(world.ending(&key).await, Ending::Succeeded, "it may come late");
}

#[tokio::test(start_paused = true)]
async fn a_task_other_than_announced_is_prepared_anew() {
    let world = World::new().await;
    let _runner = world.runner("a");
    let (key, command) = world.command("build", 5);
    let text = String::from_utf8(command.payload.to_vec()).unwrap();
    let other = Message::new("unused", text.replace(r#"["work"]"#, r#"["other"]"#));
    assert_ne!(other.payload, command.payload);
    announce(&world, &other).await;
    until_prepared(&world, std::slice::from_ref(&key)).await;
    world.bus.publish(command.expecting(0)).await.unwrap();
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    assert_eq!(world.place.look(|state| state.prepared.len()), 2);
    world.place.until(|state| state.sandboxes.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_made_ahead_is_made_when_the_task_comes() {
    let world = World::new().await;
    world.place.script("build", Script::Refuse);
    let _runner = world.runner("a");
    let (key, command) = world.command("build", 5);
    announce(&world, &command).await;
    until_prepared(&world, std::slice::from_ref(&key)).await;
    world.place.script("build", Script::Finish);
    world.bus.publish(command.expecting(0)).await.unwrap();
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_ahead_where_another_runner_may_take_the_task() {
    let world = World::new().await;
    let other_place = Place::new();
    let elsewhere = tidemill_runner::Settings {
        place: "elsewhere".to_owned(),
        ..world.settings("b")
    };
    let _here = world.runner("a");
    let _elsewhere = world.runner_with(elsewhere, &other_place);
    let (_, command) = world.command("build", 5);
    announce(&world, &command).await;
    world.pass(Duration::from_secs(1)).await;
    assert!(world.place.look(|state| state.prepared.is_empty()));
    assert!(other_place.look(|state| state.prepared.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn no_more_is_made_than_there_are_slots() {
    let world = World::new().await;
    let _runner = world.runner("a");
    for number in 0..20 {
        let (_, command) = world.command(&format!("t-{number}"), 5);
        announce(&world, &Message::new("unused", command.payload)).await;
        let waiting = world.place.look(|state| state.sandboxes.len());
        assert!(waiting <= 4, "{waiting} sandboxes wait");
    }
    world.place.until(|state| state.sandboxes.is_empty()).await;
}
