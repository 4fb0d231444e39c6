//! Runners die, stop, are cut off and come back; attempts go on.

use std::time::Duration;

use tidemill_messages::{CancelReason, Ending, stream, subject};
use tidemill_runner::Error;
use tokio::time::Instant;

use crate::place::{Script, outcome, started};
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_dead_runner_s_attempt_is_adopted_after_ten_seconds() {
    let world = World::new().await;
    world.place.script("build", Script::Hold);
    let first = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    let _second = world.runner("b");
    world.pass(Duration::from_secs(30)).await;
    assert!(world.place.look(|state| state.adopted.is_empty()), "its owner lives");
    first.kill().await;
    let died_at = Instant::now();
    world.place.until(|state| state.adopted.len() == 1).await;
    let waited = died_at.elapsed();
    assert!((7..15).contains(&waited.as_secs()), "{waited:?}");
    world.place.end(&key, outcome(Ending::Succeeded)).await;
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    assert_eq!(world.place.look(|state| state.started.len()), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_runner_started_again_adopts_at_once() {
    let world = World::new().await;
    world.place.script("build", Script::Hold);
    let first = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    first.kill().await;
    let died_at = Instant::now();
    let _again = world.runner("a");
    world.place.until(|state| state.adopted.len() == 1).await;
    assert!(died_at.elapsed() < Duration::from_secs(1), "{:?}", died_at.elapsed());
    world.place.end(&key, outcome(Ending::Succeeded)).await;
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    assert_eq!(world.place.look(|state| state.started.len()), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_pulled_by_a_runner_that_died_comes_at_once_to_its_next_life() {
    let world = World::new().await;
    let settings = tidemill_runner::Settings {
        slots: 1,
        ..world.settings("a")
    };
    world.place.script("first", Script::Hold);
    let runner = world.runner_with(settings.clone(), &world.place);
    let first = world.dispatch("first").await;
    world.place.until(|state| state.started.len() == 1).await;
    let waiting = world.dispatch("waiting").await;
    world.pass(Duration::from_secs(1)).await;
    runner.kill().await;
    let died_at = Instant::now();
    let _again = world.runner_with(settings, &world.place);
    world.place.until(|state| state.adopted.len() == 1).await;
    world.place.end(&first, outcome(Ending::Succeeded)).await;
    assert_eq!(world.ending(&waiting).await, Ending::Succeeded);
    assert!(died_at.elapsed() < Duration::from_secs(3), "{:?}", died_at.elapsed());
    let started = world.place.look(|state| state.started.clone());
    assert_eq!(started, [first, waiting]);
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_leaves_hands_over_at_once() {
    let world = World::new().await;
    world.place.script("build", Script::Hold);
    let first = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    let _second = world.runner("b");
    world.pass(Duration::from_secs(5)).await;
    let left_at = Instant::now();
    first.stop().await;
    world.place.until(|state| state.adopted.len() == 1).await;
    assert!(left_at.elapsed() < Duration::from_secs(1), "{:?}", left_at.elapsed());
    assert_eq!(world.place.look(|state| state.released.len()), 1);
    world.place.end(&key, outcome(Ending::Succeeded)).await;
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_result_nobody_read_is_stored_by_the_next_owner() {
    let world = World::new().await;
    world.place.script("build", Script::Hold);
    let first = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    first.kill().await;
    world.place.end(&key, outcome(Ending::Succeeded)).await;
    let _again = world.runner("a");
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    world.place.until(|state| state.sandboxes.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_nobody_heard_is_obeyed_by_the_next_owner() {
    let world = World::new().await;
    world.place.script("build", Script::Hold);
    let first = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    first.kill().await;
    world.cancel(&key, CancelReason::Cancelled).await;
    let _again = world.runner("a");
    assert_eq!(world.ending(&key).await, Ending::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_with_its_runner_is_lost_if_a_step_had_started() {
    let world = World::new().await;
    world.place.script("build", Script::Hold);
    let first = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    first.kill().await;
    world.place.say(&key, started()).await;
    world.place.lose(&key).await;
    let _again = world.runner("a");
    let ending = world.ending(&key).await;
    assert!(
        matches!(&ending, Ending::Lost { message } if message == "nothing of it is left"),
        "{ending:?}"
    );
    assert_eq!(world.place.look(|state| state.started.len()), 1);
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_changes_nothing() {
    let world = World::new().await;
    world.place.script("build", Script::Hold);
    let _runner = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    world.memory.set_reachable(false);
    world.pass(Duration::from_secs(5)).await;
    world.memory.set_reachable(true);
    world.pass(Duration::from_secs(30)).await;
    assert!(world.place.look(|state| state.released.is_empty()));
    world.place.end(&key, outcome(Ending::Succeeded)).await;
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_is_cut_off_lets_go_and_takes_up_again() {
    let world = World::new().await;
    world.place.script("build", Script::Hold);
    let _runner = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    let cut_at = Instant::now();
    world.memory.set_reachable(false);
    world.place.until(|state| state.released.len() == 1).await;
    let held = cut_at.elapsed();
    assert!(
        held >= Duration::from_secs(5) && held < Duration::from_secs(10),
        "{held:?}"
    );
    world.place.end(&key, outcome(Ending::Succeeded)).await;
    world.pass(Duration::from_secs(60)).await;
    world.memory.set_reachable(true);
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    assert_eq!(
        world.place.look(|state| (state.started.len(), state.killed.len())),
        (1, 0)
    );
    assert_eq!(world.all(stream::FACTS, "fact.>").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn cut_off_for_too_long_it_ends_what_nobody_can_adopt() {
    let world = World::new().await;
    world.place.script("build", Script::Hold);
    let _runner = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    let cut_at = Instant::now();
    world.memory.set_reachable(false);
    world.place.until(|state| state.discarded == [key.clone()]).await;
    let waited = cut_at.elapsed();
    assert!(
        (200..300).contains(&waited.as_secs()),
        "before the planner gives up at 300 s: {waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancel_given_during_an_outage_is_read_after_it() {
    let world = World::new().await;
    world.place.script("build", Script::Hold);
    let _runner = world.runner("a");
    let key = world.dispatch("build").await;
    world.place.until(|state| state.started.len() == 1).await;
    world.memory.set_reachable(false);
    world.pass(Duration::from_secs(2)).await;
    world.memory.set_reachable(true);
    world.cancel(&key, CancelReason::Cancelled).await;
    assert_eq!(world.ending(&key).await, Ending::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn one_process_an_id() {
    let world = World::new().await;
    let _first = world.runner("a");
    world.first(stream::CLAIMS, &subject::lease("a")).await;
    let error = world.runner("a").ended().await.unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");

    // On another machine the lock file is another one: the newest life wins, the older one ends.
    let elsewhere = tempfile::tempdir().unwrap();
    let settings = tidemill_runner::Settings {
        state_dir: elsewhere.path().to_owned(),
        ..world.settings("a")
    };
    let _usurper = world.runner_with(settings, &world.place);
    let error = _first.ended().await.unwrap_err();
    assert!(matches!(error, Error::Usurped { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_of_a_run_goes_with_the_run() {
    let world = World::new().await;
    let _runner = world.runner("a");
    let key = world.dispatch("build").await;
    assert_eq!(world.ending(&key).await, Ending::Succeeded);
    world.place.change(|state| state.kept.push(key.clone()));
    world.pass(Duration::from_secs(600)).await;
    assert!(world.place.look(|state| state.kept.iter().eq([&key])));
    world
        .bus
        .purge(stream::CLAIMS, &subject::claim(&key), None)
        .await
        .unwrap();
    world.place.until(|state| state.kept.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_owns_is_removed_but_not_at_first_sight() {
    let world = World::new().await;
    let (key, _) = world.command("left", 5);
    world
        .place
        .change(|state| state.sandboxes.insert(key.clone(), Default::default()));
    let _runner = world.runner("a");
    world.pass(Duration::from_secs(30)).await;
    assert!(
        world.place.look(|state| state.discarded.is_empty()),
        "its runner may be about to claim it"
    );
    world.place.until(|state| state.discarded == [key.clone()]).await;
}
