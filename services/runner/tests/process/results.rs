//! Results and their limits.

use serde_json::json;
use tidemill_runner::backend::process::Settings;

use crate::kit::{Place, Task, task};

#[tokio::test]
async fn results_are_verbatim_and_undeclared_files_ignored() {
    let task = Task::script(
        "echo with newline > /tekton/results/a; printf 'é' > /tekton/results/b; echo x > /tekton/results/c",
    )
    .result("a")
    .result("b");
    let outcome = Place::new().play(&task).await;
    outcome.expect_success();
    assert_eq!(outcome.result("a").as_deref(), Some("with newline\n"));
    assert_eq!(outcome.result("b").as_deref(), Some("é"));
    assert_eq!(outcome.result("c"), None);
}

#[tokio::test]
async fn a_failed_task_keeps_what_it_wrote() {
    let task = Task::script("printf kept > /tekton/results/a; exit 1").result("a");
    let outcome = Place::new().play(&task).await;
    assert_eq!(outcome.failure().0, "Failed");
    assert_eq!(outcome.result("a").as_deref(), Some("kept"));
}

#[tokio::test]
async fn a_result_over_the_limit_is_named_with_its_size_and_the_limit() {
    let task = Task::script("head -c 1048577 /dev/zero > /tekton/results/big; printf x > /tekton/results/small")
        .result("big")
        .result("small");
    let outcome = Place::new().play(&task).await;
    let (reason, message) = outcome.failure();
    assert_eq!(reason, "TaskRunResultLargerThanAllowedLimit");
    for part in ["`big`", "1048577 bytes", "1048576", "process.result-bytes"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(outcome.result("small").as_deref(), Some("x"));
}

#[tokio::test]
async fn a_result_of_the_greatest_size_is_whole() {
    let task = Task::script("head -c 1048576 /dev/zero | tr '\\0' z > /tekton/results/big").result("big");
    let outcome = Place::new().play(&task).await;
    assert_eq!(
        outcome.expect_success().result("big").map(|text| text.len()),
        Some(1 << 20)
    );
}

#[tokio::test]
async fn all_results_together_have_a_limit_too() {
    let place = Place::with(Settings {
        results_bytes: 10,
        ..Settings::default()
    });
    let task = Task::new()
        .step_with("only", json!({}), |step| {
            step.script = Some(
                "printf 123456 > /tekton/steps/step-only/results/own; printf 12345 > /tekton/results/a".to_owned(),
            );
            step.results = vec![task::result("own")];
        })
        .result("a");
    let outcome = place.play(&task).await;
    let (reason, message) = outcome.failure();
    assert_eq!(reason, "TaskRunResultLargerThanAllowedLimit");
    assert!(
        message.contains("`a`") && message.contains("11 bytes") && message.contains("limit is 10"),
        "{message}"
    );
}

#[tokio::test]
async fn a_link_is_no_result() {
    let place = Place::new();
    let script = format!(
        "ln -s {}/token /tekton/results/stolen; mkfifo /tekton/results/pipe",
        place.path().display()
    );
    std::fs::write(place.path().join("token"), "the token").unwrap();
    let outcome = place.play(&Task::script(&script).result("stolen").result("pipe")).await;
    assert_eq!(outcome.result("stolen"), None);
    assert_eq!(outcome.result("pipe"), None);
}
