//! Steps: order, exit codes, what a failure does, what they are given.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tidemill_resources::step::OnError;

use crate::kit::{Place, Task};

pub(crate) fn step(name: &str, code: i32, reason: &str) -> (String, i32, String) {
    (name.to_owned(), code, reason.to_owned())
}

#[tokio::test]
async fn steps_run_one_after_the_other_and_share_the_workspace() {
    let place = Place::new();
    let task = Task::new()
        .step("first", "echo one > file; echo out; echo err >&2")
        .step(
            "second",
            "cat file; ps -e >/dev/null 2>&1 || true; test \"$(ls /tmp)\" = ''",
        );
    let outcome = place.play(&task).await;
    outcome.expect_success();
    assert_eq!(outcome.log("step-first"), "out\nerr\n");
    assert_eq!(outcome.log("step-second"), "one\n");
    assert_eq!(
        outcome.attempt.steps[0].image_id,
        tidemill_runner::backend::process::IMAGE_ID
    );
    assert_eq!(
        outcome.steps(),
        [step("first", 0, "Completed"), step("second", 0, "Completed")]
    );
    assert!(outcome.started_at("step-first") < outcome.started_at("step-second"));
    assert_eq!(place.left().await, 0);
}

#[tokio::test]
async fn after_a_failure_the_other_steps_are_skipped() {
    let place = Place::new();
    let task = Task::new()
        .step("bad", "exit 3")
        .step("never", "echo never")
        .step("last", "echo never");
    let outcome = place.play(&task).await;
    assert_eq!(outcome.failure().0, "Failed");
    let expected = [
        step("bad", 3, "Error"),
        step("never", 1, "Skipped"),
        step("last", 1, "Skipped"),
    ];
    assert_eq!(outcome.steps(), expected);
    assert_eq!(outcome.log("step-never"), "");
}

#[tokio::test]
async fn a_step_that_may_fail_leaves_its_exit_code() {
    let place = Place::new();
    let continues = |step: &mut tidemill_messages::plan::PlanStep| {
        step.script = Some("exit 7".to_owned());
        step.on_error = OnError::Continue;
    };
    let task = Task::new().step_with("may-fail", json!({}), continues).step(
        "next",
        "cat /tekton/steps/step-may-fail/exitCode; ls /tekton/steps/step-next/",
    );
    let outcome = place.play(&task).await;
    outcome.expect_success();
    assert_eq!(outcome.steps()[0], step("may-fail", 7, "Continued"));
    // Only a step that may fail has the file.
    assert_eq!(outcome.log("step-next"), "7results\n");
}

#[tokio::test]
async fn a_signal_is_told_as_a_shell_tells_it() {
    let outcome = Place::new().play(&Task::script("kill -SEGV $$")).await;
    assert_eq!(outcome.steps(), [step("only", 139, "Error")]);
    assert_eq!(outcome.end("step-only").message, "ended by SIGSEGV");
}

#[tokio::test]
async fn scripts_are_written_byte_for_byte() {
    let place = Place::new();
    let text = "cat <<'EOF'\n$$ `date` $(date) \\n \r é\nEOF\nfalse\necho never";
    let outcome = place.play(&Task::script(text)).await;
    assert_eq!(outcome.text(), "$$ `date` $(date) \\n \r é\n");
    assert_eq!(
        outcome.steps()[0].1,
        1,
        "without a first line of its own a script runs under set -e"
    );

    let own = place.play(&Task::script("#!/bin/sh\nfalse\necho still here")).await;
    assert_eq!(own.text(), "still here\n");

    let blank = place.play(&Task::script("\n#!/bin/sh\necho never")).await;
    assert_eq!(blank.steps()[0].1, 126);
    assert!(blank.failure().1.contains("step"), "{blank:?}");
    assert!(blank.text().contains("put `#!` first"), "{}", blank.text());
}

#[tokio::test]
async fn arguments_and_variables_are_expanded_as_kubernetes_does() {
    let place = Place::new();
    let container = json!({
        "command": ["printf", "%s|"],
        "args": ["$(A)", "$$(A)", "$(NOT_THERE)", "init", "--help", "$(PATH)", "$(C)"],
        "env": [
            {"name": "A", "value": "one"},
            {"name": "B", "value": "$(A) two $(D)"},
            {"name": "C", "value": "$(B)"},
            {"name": "D", "value": "late"},
        ],
    });
    let outcome = place.play(&Task::new().step_with("only", container, |_| ())).await;
    assert_eq!(
        outcome.text(),
        "one|$(A)|$(NOT_THERE)|init|--help|$(PATH)|one two $(D)|"
    );
}

#[tokio::test]
async fn args_follow_a_script() {
    let container = json!({"args": ["a b", "$(X)"], "env": [{"name": "X", "value": "y"}]});
    let task = Task::new().step_with("only", container, |step| {
        step.script = Some("for a in \"$@\"; do echo \"<$a>\"; done".to_owned());
    });
    assert_eq!(Place::new().play(&task).await.text(), "<a b>\n<y>\n");
}

#[tokio::test]
async fn only_known_variables_of_the_host_are_given() {
    let outcome = Place::new()
        .play(&Task::script(
            "env | cut -d= -f1 | grep -E '^(CARGO_MANIFEST|TIDEMILL_|PATH$)'",
        ))
        .await;
    assert_eq!(outcome.text(), "PATH\n");
}

#[tokio::test]
async fn working_directories_are_made() {
    let place = Place::new();
    let in_directory = |directory: &str| {
        Task::new().step_with("only", json!({"workingDir": directory}), |step| {
            step.script = Some("pwd".to_owned())
        })
    };
    for (given, expected) in [
        ("", "/workspace"),
        ("a/b", "/workspace/a/b"),
        ("/made/here", "/made/here"),
        ("/tmp", "/tmp"),
    ] {
        let outcome = place.play(&in_directory(given)).await;
        assert_eq!(outcome.text(), format!("{expected}\n"));
    }
    assert!(!std::path::Path::new("/made").exists(), "nothing is made on the host");
    let refusal = place.refusal(&in_directory("../../etc")).await;
    assert!(refusal.contains("`/workspace/../../etc` names no place"), "{refusal}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let place = Place::new();
    let run = |argv: &str| Task::new().step_with("only", json!({"command": [argv]}), |_| ());
    let outcome = place.play(&run("no-such-program")).await;
    assert_eq!(outcome.steps(), [step("only", 127, "Error")]);
    assert!(
        outcome
            .text()
            .contains("tidemill: cannot run `no-such-program`: there is no such program"),
        "{outcome:?}"
    );
    assert_eq!(
        place.play(&run("/etc/passwd")).await.steps(),
        [step("only", 126, "Error")]
    );
}

#[tokio::test]
async fn without_a_command_the_step_its_image_and_the_way_out_are_named() {
    let refusal = Place::new()
        .refusal(&Task::new().step_with("build", json!({}), |_| ()))
        .await;
    for part in ["step-build", "example.test/image:1", "`command`"] {
        assert!(refusal.contains(part), "{refusal}");
    }
}

#[tokio::test]
async fn many_attempts_run_at_once_each_for_itself() {
    let place = Place::new();
    let count = AtomicUsize::new(0);
    let all = (0..24).map(|number| {
        let (place, count) = (&place, &count);
        async move {
            let task = Task::script(&format!("echo {number} > own; cat own; ls | wc -l"));
            assert_eq!(place.play(&task).await.text(), format!("{number}\n1\n"));
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    futures::future::join_all(all).await;
    assert_eq!(count.load(Ordering::Relaxed), 24);
    assert_eq!(place.left().await, 0);
}
