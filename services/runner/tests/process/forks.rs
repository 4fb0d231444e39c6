//! What a step leaves behind.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::kit::{Place, Task};

#[tokio::test]
async fn what_a_step_leaves_behind_ends_with_it_and_holds_nothing_up() {
    let place = Place::new();
    // The processes hold the step's output open, have left its session, and have no parent.
    let task = Task::new()
        .step(
            "leaves",
            "(setsid sleep 1000 &) ; (trap '' TERM HUP; sleep 1000) & sleep 1000 & echo done",
        )
        .step("next", "ls -d /proc/[0-9]* | wc -l; pgrep sleep || echo none");
    let before = Instant::now();
    let outcome = place.play(&task).await;
    outcome.expect_success();
    assert!(before.elapsed() < Duration::from_secs(20));
    assert_eq!(outcome.log("step-leaves"), "done\n");
    assert!(outcome.log("step-next").ends_with("none\n"), "{outcome:?}");
}

#[tokio::test]
async fn a_step_that_ends_all_it_can_does_not_end_the_next() {
    // The next step's process waits for its turn; it is ended once it is there.
    let task = Task::new()
        .step(
            "ends",
            "until pgrep -f contain >/tmp/seen; do :; done; kill -9 -1; echo alone",
        )
        .step("next", "echo here");
    let outcome = Place::new().play(&task).await;
    assert_eq!(outcome.expect_success().log("step-ends"), "alone\n");
    assert_eq!(outcome.log("step-next"), "here\n");
}

#[tokio::test]
async fn with_a_sidecar_only_the_steps_processes_end() {
    let place = Place::new();
    let task = Task::new()
        .step("leaves", "(setsid sleep 1000 &); sleep 1000 & echo done")
        .step("next", "pgrep -x sleep | wc -l; pgrep -x tail | wc -l")
        .sidecar(
            "stays",
            "(setsid tail -f /dev/null &); exec tail -f /dev/null",
            json!({}),
        );
    let outcome = place.play(&task).await;
    outcome.expect_success();
    assert_eq!(outcome.log("step-next"), "0\n2\n");
    assert_eq!(outcome.end("sidecar-stays").exit_code, 0);
}

#[tokio::test]
async fn what_forks_without_end_is_ended_with_its_step() {
    let place = Place::new();
    let endless = "fork() { sleep 0.01; fork & }; for i in 1 2 3 4 5; do fork & done; echo started";
    let alone = Task::new()
        .step("forks", endless)
        .step("next", "pgrep -x sleep || echo none");
    let beside = alone.clone().sidecar("stays", "exec tail -f /dev/null", json!({}));
    for task in [alone, beside] {
        let outcome = place.play(&task).await;
        assert_eq!(outcome.log("step-forks"), "started\n");
        assert_eq!(outcome.log("step-next"), "none\n");
    }
}
