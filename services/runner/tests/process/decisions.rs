//! What is decided when a step's turn comes, and when its time is over.

use serde_json::json;
use tidemill_resources::pipeline::{Operator, WhenExpression};

use crate::kit::{Place, Task, task};
use crate::order::step;

#[tokio::test]
async fn a_step_over_its_time_limit_is_ended_with_all_it_started() {
    let place = Place::new();
    let task = Task::new()
        .step_with("slow", json!({}), |step| {
            step.script = Some("sleep 1000 & sleep 1000 | cat".to_owned());
            step.timeout_ms = Some(200);
        })
        .step("never", "true");
    let before = std::time::Instant::now();
    let outcome = place.play(&task).await;
    assert!(before.elapsed().as_secs() < 30);
    assert_eq!(
        outcome.steps(),
        [step("slow", 1, "TimeoutExceeded"), step("never", 1, "Skipped")]
    );
    assert!(
        outcome.log("step-slow").contains("its time limit of 200 ms is over"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn guards_and_results_of_steps_are_decided_when_their_turn_comes() {
    let place = Place::new();
    let guard = |values: &[&str]| WhenExpression {
        input: "$(steps.make.results.kind)".to_owned(),
        operator: Some(Operator::In),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        ..WhenExpression::default()
    };
    let task = Task::new()
        .step_with("make", json!({}), |step| {
            step.script = Some("printf release > /tekton/steps/step-make/results/kind".to_owned());
            step.results = vec![task::result("kind")];
        })
        .step_with("skipped", json!({}), |step| {
            step.script = Some("echo never".to_owned());
            step.when = vec![guard(&["debug"])];
        })
        .step_with(
            "used",
            json!({"command": ["sh", "-c", "echo $0 $X", "$(steps.make.results.kind)"],
                "env": [{"name": "X", "value": "<$(steps.make.results.kind)>"}]}),
            |step| {
                step.when = vec![guard(&["debug", "release"])];
            },
        );
    let outcome = place.play(&task).await;
    outcome.expect_success();
    assert_eq!(outcome.log("step-used"), "release <release>\n");
    assert_eq!(outcome.steps()[1], step("skipped", 0, "Skipped"));
    assert_eq!(outcome.end("step-make").results[0].value, "release");
}

#[tokio::test]
async fn a_missing_result_of_a_step_fails_the_step_that_wants_it() {
    let container = json!({"command": ["echo", "$(steps.make.results.kind)"]});
    let task = Task::new().step("make", "true").step_with("use", container, |_| ());
    let outcome = Place::new().play(&task).await;
    assert_eq!(outcome.steps()[1], step("use", 126, "Error"));
    assert!(
        outcome.log("step-use").contains("step `make` made no result `kind`"),
        "{outcome:?}"
    );
}
