//! Owners come and go; the attempt goes on.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tidemill_messages::report::ReportBody;
use tidemill_runner::backend::process::Settings;
use tidemill_runner::backend::{Backend, Event};

use crate::kit::{BUILT, Place, Run, Task, step_binary};

/// Waits until a file in the workspace is gone: the test's way to let a step go on.
const GATED: &str = "touch gate; echo started; while test -e gate; do sleep 0.02; done; echo went on";

fn open_gate(place: &Place) {
    let attempt = std::fs::read_dir(place.path().join("attempts"))
        .unwrap()
        .flatten()
        .next()
        .unwrap();
    std::fs::remove_file(attempt.path().join("workspace/gate")).unwrap();
}

/// An attempt whose step runs and has said so.
async fn started(place: &Place, task: &Task) -> Run {
    let mut run = place.prepare(task).await;
    run.start().await;
    run.until_log("started").await;
    run
}

#[tokio::test]
async fn an_attempt_that_was_let_go_is_adopted_while_it_runs() {
    let place = Place::new();
    let task = Task::script(GATED).step("next", "echo done");
    let run = started(&place, &task).await;
    run.playing.release().await;
    let run = Run::adopt(&place.another(), &task).await;
    open_gate(&place);
    let outcome = run.ended().await;
    outcome.expect_success();
    assert_eq!(outcome.text(), "went on\n");
    assert_eq!(outcome.log("step-next"), "done\n");
    assert_eq!(outcome.steps().len(), 2);
    assert!(outcome.attempt.started_at.is_some());
    assert_eq!(place.left().await, 0);
}

#[tokio::test]
async fn what_was_not_stored_is_told_to_the_next_owner_under_the_same_numbers() {
    let place = Place::new();
    let task = Task::script(GATED);
    let mut run = place.prepare(&task).await;
    run.start().await;
    let mut first = Vec::new();
    while first.len() < 2 {
        if let Event::Report(report) = run.event().await {
            first.push(report);
        }
    }
    run.playing.stored(first[0].sequence).await;
    run.playing.release().await;
    let mut run = Run::adopt(&place.another(), &task).await;
    let again = loop {
        if let Event::Report(report) = run.event().await {
            break report;
        }
    };
    // Whether the answer to the first was still heard decides which one comes; nothing is left out.
    assert!(first.contains(&again), "{again:?} is none of {first:?}");
    open_gate(&place);
    let outcome = run.ended().await;
    assert!(outcome.text().ends_with("went on\n"));
}

#[tokio::test]
async fn an_end_nobody_heard_is_told_to_the_next_owner() {
    let place = Place::new();
    let task = Task::script("printf 42 > /tekton/results/answer").result("answer");
    let mut run = place.prepare(&task).await;
    run.start().await;
    loop {
        if matches!(run.event().await, Event::Finished(_)) {
            break;
        }
    }
    run.playing.release().await;
    let outcome = Run::adopt(&place.another(), &task).await.ended().await;
    assert_eq!(outcome.expect_success().result("answer").as_deref(), Some("42"));
    assert_eq!(place.left().await, 0);
}

#[tokio::test]
async fn an_owner_that_was_replaced_ends_nothing() {
    let place = Place::new();
    let task = Task::script(GATED);
    let mut first = started(&place, &task).await;
    let second = Run::adopt(&place.another(), &task).await;
    first.expect_silence().await;
    drop(first);
    open_gate(&place);
    assert!(second.ended().await.expect_success().text().ends_with("went on\n"));
}

#[tokio::test]
async fn who_comes_to_adopt_at_the_same_time_ends_nothing() {
    let place = Place::new();
    let task = Task::script(GATED);
    let first = started(&place, &task).await;
    first.playing.release().await;
    // Both knock before the supervisor looks: it lets the last one in, and the other hears nothing.
    signal_supervisor(&place, Signal::STOP);
    let (one, other) = (place.another(), place.another());
    let (one, other, ()) = tokio::join!(Run::try_adopt(&one, &task), Run::try_adopt(&other, &task), async {
        signal_supervisor(&place, Signal::CONT);
    });
    let (adopted, ousted) = match (one, other) {
        (Ok(run), Err(message)) | (Err(message), Ok(run)) => (run, message),
        (Ok(_), Ok(_)) => panic!("both adopted it"),
        (Err(one), Err(other)) => panic!("nobody adopted it: {one}; {other}"),
    };
    assert!(ousted.contains("it has another owner"), "{ousted}");
    open_gate(&place);
    adopted.ended().await.expect_success();
}

fn signal_supervisor(place: &Place, signal: Signal) {
    let pid = i32::try_from(supervisor_pid(place)).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[tokio::test]
async fn an_owner_that_is_dropped_ends_nothing() {
    let place = Place::new();
    let task = Task::script(GATED);
    let first = started(&place, &task).await;
    drop(first);
    let second = Run::adopt(&place.another(), &task).await;
    open_gate(&place);
    second.ended().await.expect_success();
}

#[tokio::test]
async fn what_has_not_started_is_not_adopted() {
    let place = Place::new();
    let task = Task::script("echo ran");
    let run = place.prepare(&task).await;
    run.playing.release().await;
    let found = Run::try_adopt(&place.another(), &task).await.map(drop).unwrap_err();
    assert_eq!(found, "not started");
    assert_eq!(place.left().await, 0);
}

#[tokio::test]
async fn a_later_attempt_of_a_supervisor_is_found_as_its_first_is() {
    let place = Place::new();
    place.play(&Task::script("true").keyed("first")).await.expect_success();
    let unstarted = Task::script("echo ran").keyed("unstarted");
    place.prepare(&unstarted).await.playing.release().await;
    let found = Run::try_adopt(&place.another(), &unstarted)
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(found, "not started");
    place.play(&Task::script("true").keyed("second")).await.expect_success();
    let task = Task::script(GATED).keyed("third");
    started(&place, &task).await.playing.release().await;
    let run = Run::adopt(&place.another(), &task).await;
    open_gate(&place);
    run.ended().await.expect_success();
    assert_eq!(place.left().await, 0);
}

#[tokio::test]
async fn of_two_sandboxes_of_one_attempt_one_stands_whatever_becomes_of_the_other() {
    let place = Place::new();
    for round in 0..20 {
        let task = Task::script("echo ran").keyed(&format!("twice-{round}"));
        let (one, other) = tokio::join!(
            Run::prepare(place.backend.as_ref(), &task),
            Run::prepare(place.backend.as_ref(), &task)
        );
        let mut run = match (one, other) {
            (Ok(run), Err(_)) | (Err(_), Ok(run)) => run,
            (Ok(_), Ok(_)) => panic!("both stand"),
            (Err(one), Err(other)) => panic!("none stands: {one}; {other}"),
        };
        run.start().await;
        assert_eq!(run.ended().await.expect_success().text(), "ran\n");
    }
    assert_eq!(place.left().await, 0);
}

#[tokio::test]
async fn who_lost_its_sandbox_does_not_remove_what_came_in_its_place() {
    let place = Place::new();
    let task = Task::script(GATED);
    let lost = place.prepare(&task).await;
    place.backend.discard(&task.play().key).await.unwrap();
    let run = started(&place, &task).await;
    lost.playing.remove().await.unwrap();
    open_gate(&place);
    run.ended().await.expect_success();
}

#[tokio::test]
async fn what_was_killed_before_its_first_step_has_not_started_for_its_owner() {
    let place = Place::new();
    for key in ["fresh", "used", "last"] {
        let mut run = place.prepare(&Task::script("true").keyed(key)).await;
        signal_supervisor(&place, Signal::KILL);
        let event = run.event().await;
        assert!(
            matches!(
                event,
                Event::Gone {
                    step_started: false,
                    ..
                }
            ),
            "{event:?}"
        );
        run.playing.remove().await.unwrap();
        // Its next one has a supervisor that played before.
        place
            .play(&Task::script("true").keyed(&format!("{key}-between")))
            .await
            .expect_success();
    }
    assert_eq!(place.left().await, 0);
}

#[tokio::test]
async fn a_supervisor_that_is_killed_after_its_first_step_began_had_started_for_anybody() {
    let place = Place::new();
    for key in ["fresh", "used"] {
        let task = Task::script(GATED).keyed(key);
        let run = started(&place, &task).await;
        drop(run);
        signal_supervisor(&place, Signal::KILL);
        let found = Run::try_adopt(&place.another(), &task).await.map(drop).unwrap_err();
        assert!(found.starts_with("gone"), "{found}");
        place.backend.discard(&task.play().key).await.unwrap();
        place
            .play(&Task::script("true").keyed(&format!("{key}-between")))
            .await
            .expect_success();
    }
}

#[tokio::test]
async fn a_runner_that_is_killed_leaves_its_attempt_to_the_next() {
    let place = Place::new();
    let mut runner = other_runner(&place);
    let task = other_runners_task();
    let attempts = place.path().join("attempts");
    let gate = || {
        std::fs::read_dir(&attempts)
            .ok()?
            .flatten()
            .next()
            .map(|entry| entry.path().join("workspace/gate"))
    };
    wait_until(|| gate().is_some_and(|gate| gate.exists())).await;
    runner.kill().unwrap();
    runner.wait().unwrap();
    let mut run = Run::adopt(&place.another(), &task).await;
    run.until(|body| matches!(body, ReportBody::Log { text, .. } if text.contains("started")))
        .await;
    open_gate(&place);
    let outcome = run.ended().await;
    assert_eq!(outcome.expect_success().text(), "started\nwent on\n");
    assert_eq!(place.left().await, 0);
}

#[tokio::test]
async fn an_attempt_nobody_owns_ends_after_its_limit() {
    let place = Place::with(Settings {
        orphan_s: 1,
        ..Settings::default()
    });
    let task = Task::script("echo started; sleep 1000");
    let mut run = place.prepare(&task).await;
    run.start().await;
    run.until_log("started").await;
    let supervisor = supervisor_pid(&place);
    run.playing.release().await;
    wait_until(|| is_gone(supervisor)).await;
    let found = Run::try_adopt(&place.another(), &task).await.map(drop).unwrap_err();
    assert!(found.starts_with("gone"), "{found}");
}

#[tokio::test]
async fn an_attempt_nobody_can_find_ends() {
    let place = Place::with(Settings {
        orphan_s: 30,
        ..Settings::default()
    });
    let mut run = place.prepare(&Task::script("echo started; sleep 1000")).await;
    run.start().await;
    run.until_log("started").await;
    let supervisor = supervisor_pid(&place);
    run.playing.release().await;
    std::fs::remove_dir_all(place.path().join("attempts")).unwrap();
    wait_until(|| is_gone(supervisor)).await;
}

const ELSEWHERE: &str = "TIDEMILL_TEST_RUNNER_IN";

/// The task of [`be_another_runner`]; its key is known to both.
fn other_runners_task() -> Task {
    Task::script(GATED).keyed("of-another-runner")
}

/// This test binary as a runner of its own, to be killed.
fn other_runner(place: &Place) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "owners::be_another_runner"])
        .env(ELSEWHERE, place.path())
        .env(BUILT, step_binary())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Not a test by itself: a runner that starts an attempt, stores nothing and waits to be killed. Without
/// a directory it checks that an attempt can be prepared and let go.
#[tokio::test]
async fn be_another_runner() {
    let task = other_runners_task();
    let Some(directory) = std::env::var_os(ELSEWHERE) else {
        let place = Place::new();
        place.prepare(&task).await.playing.remove().await.unwrap();
        return;
    };
    let place = Place::at(directory.into());
    let mut run = place.prepare(&task).await;
    run.start().await;
    std::future::pending::<()>().await;
}

pub(crate) fn supervisor_pid(place: &Place) -> i64 {
    let attempt = std::fs::read_dir(place.path().join("attempts"))
        .unwrap()
        .flatten()
        .next()
        .unwrap();
    let text = std::fs::read(attempt.path().join("attempt.json")).unwrap();
    serde_json::from_slice::<serde_json::Value>(&text).unwrap()["supervisor"]["pid"]
        .as_i64()
        .unwrap()
}

/// Whether a process has ended; nobody may have asked for its end yet.
pub(crate) fn is_gone(pid: i64) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

pub(crate) async fn wait_until(condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(crate::kit::run::PATIENCE, waited)
        .await
        .expect("it did not happen");
}
